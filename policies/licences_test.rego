package hallmark.licences_test

import data.hallmark.licences

missing := {"state": "missing", "choices": []}

known(expression, choices) := {"state": "known", "expression": expression, "choices": choices}

declares(licence) := {"name": "a", "version": "1", "licences": {"declared": licence, "found": missing}}

given(packages, settings) := {"inventory": {"packages": packages}, "settings": {"licences": settings}}

denied(licence, settings) := {result.code |
	some result in licences.deny with input as given([declares(licence)], settings)
}

mit := known("MIT", [["MIT"]])

either := known("MIT OR GPL-3.0-only", [["GPL-3.0-only"], ["MIT"]])

both := known("MIT AND GPL-3.0-only", [["GPL-3.0-only", "MIT"]])

excepted := known("GPL-2.0-only WITH Classpath-exception-2.0", [["GPL-2.0-only WITH Classpath-exception-2.0"]])

partly := known("MIT OR LicenseRef-unknown-custom", [["LicenseRef-unknown-custom"], ["MIT"]])

test_asks_for_the_inventory if licences.needs == {"inventory"}

test_without_lists_what_is_known_passes if {
	denied(mit, {}) == set()
	denied(both, {}) == set()
	count(licences.deny) == 0 with input as {"inventory": {"packages": []}}
}

test_licence_denied_by_a_list_of_what_is_denied if {
	denied(mit, {"deny": ["GPL-3.0-only"]}) == set()
	denied(both, {"deny": ["GPL-3.0-only"]}) == {"licence-denied"}
	denied(either, {"deny": ["GPL-3.0-only"]}) == set()
	denied(either, {"deny": ["GPL-3.0-only", "MIT"]}) == {"licence-denied"}
	denied(excepted, {"deny": ["GPL-2.0-only"]}) == set()
	denied(excepted, {"deny": ["GPL-2.0-only WITH Classpath-exception-2.0"]}) == {"licence-denied"}
}

test_licence_denied_by_a_list_of_what_is_allowed if {
	denied(mit, {"allow": ["MIT"]}) == set()
	denied(both, {"allow": ["MIT"]}) == {"licence-denied"}
	denied(either, {"allow": ["MIT"]}) == set()
	denied(mit, {"allow": ["ISC"]}) == {"licence-denied"}
	denied(excepted, {"allow": ["GPL-2.0-only"]}) == set()
	denied(excepted, {"allow": ["GPL-2.0-only WITH Classpath-exception-2.0"]}) == set()
	denied(excepted, {"allow": ["MIT"]}) == {"licence-denied"}
	denied(mit, {"allow": ["MIT"], "deny": ["MIT"]}) == {"licence-denied"}
}

test_an_unknown_branch_is_never_the_one_that_is_open if {
	denied(partly, {}) == set()
	denied(partly, {"deny": ["MIT"]}) == {"licence-denied"}
	denied(partly, {"allow": ["LicenseRef-unknown-custom"]}) == {"licence-denied"}
}

test_licence_unknown if {
	denied(missing, {}) == {"licence-unknown"}
	denied({"state": "unknown", "choices": [], "why": "it is none"}, {}) == {"licence-unknown"}
	denied(missing, {"ignore": ["a"]}) == set()
	{result.code | some result in licences.deny with input as {}} == {"licence-unknown"}
}

test_licence_unknown_warns_as_set if {
	document := given([declares(missing)], {"unknown": "warn"})
	count(licences.deny) == 0 with input as document
	{result.code | some result in licences.warn with input as document} == {"licence-unknown"}
	count(licences.warn) == 0 with input as given([declares(missing)], {})
}

test_what_is_found_counts_where_nothing_is_declared if {
	one := {"name": "a", "version": "1", "licences": {"declared": missing, "found": both}}
	count(licences.deny) == 0 with input as given([one], {})
	{result.code | some result in licences.deny with input as given([one], {"allow": ["MIT"]})} == {"licence-denied"}
	declared := object.union(one, {"licences": {"declared": mit, "found": both}})
	count(licences.deny) == 0 with input as given([declared], {"allow": ["MIT"]})
}

test_an_ignored_package_passes if denied(both, {"allow": ["MIT"], "ignore": ["a"]}) == set()

many(most) := [object.union(declares(both), {"name": sprintf("p%d", [n])}) | some n in numbers.range(1, most)]

test_many_names_are_cut if {
	some result in licences.deny with input as given(many(11), {"allow": ["MIT"]})
	contains(result.msg, "11 packages may not be used by their licences: p1 1 (MIT AND GPL-3.0-only), p10 1")
	endswith(result.msg, "p8 1 (MIT AND GPL-3.0-only) and 1 more")
	some other in licences.deny with input as given(many(10), {"allow": ["MIT"]})
	endswith(other.msg, ", p9 1 (MIT AND GPL-3.0-only)")
}

by_side(one, settings) := {[result.code, result.side] | some result in licences.deny with input as given([one], settings)}

test_base_and_own_packages_are_told_apart if {
	every licence, code in {"GPL-3.0-only": "licence-denied", "": "licence-unknown"} {
		state := {"": missing, "GPL-3.0-only": known(licence, [[licence]])}[licence]
		by_side(object.union(declares(state), {"side": "base"}), {"allow": ["MIT"]}) == {[code, "base"]}
		by_side(object.union(declares(state), {"side": "own"}), {"allow": ["MIT"]}) == {[code, "own"]}
		by_side(object.union(declares(state), {"side": "unknown"}), {"allow": ["MIT"]}) == {[code, "own"]}
		by_side(declares(state), {"allow": ["MIT"]}) == {[code, "own"]}
	}
}

test_a_term_with_more_words_is_no_exception if {
	odd := known("A WITH B WITH C", [["A WITH B WITH C"]])
	denied(odd, {"allow": ["A"]}) == {"licence-denied"}
}

test_licence_unknown_where_a_list_was_left_out if {
	left_out := {"catalogue": "npm", "path": "/app/node_modules/a/package.json", "why": "it is too large", "files": 1}
	with_list := {"inventory": {"packages": [], "incomplete": [left_out]}, "settings": {"licences": {}}}
	{result.code | some result in licences.deny with input as with_list} == {"licence-unknown"}
	warns := object.union(with_list, {"settings": {"licences": {"unknown": "warn"}}})
	count(licences.deny) == 0 with input as warns
}

test_licence_unknown_where_a_database_cannot_be_read if {
	read := {"path": "/var/lib/dpkg/status", "error": null}
	unread := {"path": "/var/lib/dpkg/status", "error": "it is not there"}
	with_database := {"inventory": {"packages": [], "databases": [unread]}, "settings": {"licences": {}}}
	{result.code | some result in licences.deny with input as with_database} == {"licence-unknown"}
	count(licences.deny) == 0 with input as {"inventory": {"packages": [], "databases": [read]}}
}

test_counts_have_their_noun if {
	licences.counted(1, "file is", "files are") == "1 file is"
	licences.counted(0, "file is", "files are") == "0 files are"
	licences.counted(2, "file is", "files are") == "2 files are"
}

grouped(groups, settings) := {"inventory": {"packages": [], "index": {"licences": groups}}, "settings": {"licences": settings}}

group(side, licence) := {
	"side": side,
	"licences": {"declared": licence, "found": missing},
	"names": ["a", "b"],
	"versions": ["1", "2"],
}

test_groups_of_an_index_are_judged_as_their_packages if {
	denied_groups := {[result.code, result.side, result.packages] |
		some result in licences.deny with input as grouped([group("base", both), group("own", mit)], {"allow": ["MIT"]})
	}
	denied_groups == {["licence-denied", "base", ["a 1 (MIT AND GPL-3.0-only)", "b 2 (MIT AND GPL-3.0-only)"]]}
	unknown_groups := {[result.code, result.side, result.packages] |
		some result in licences.deny with input as grouped([group("own", missing)], {"ignore": ["a"]})
	}
	unknown_groups == {["licence-unknown", "own", ["b 2"]]}
	count(licences.deny) == 0 with input as grouped([group("base", mit)], {"allow": ["MIT"]})
}

test_packages_beside_an_index_are_not_judged_again if {
	document := object.union(given([declares(missing)], {}), {"inventory": {"index": {"licences": []}}})
	count(licences.deny) == 0 with input as document
}
