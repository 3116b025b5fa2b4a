package hallmark.ownership_test

import data.hallmark.ownership

stray(path, class, side) := {"path": path, "class": class, "side": side, "layer": 1, "owner": {"name": "a"}}

contents(strays) := {"baseLayers": null, "files": {"strays": strays, "more": 0}, "hidden": []}

codes(given) := {result.code | some result in ownership.deny with input as given}

settings := {"ownership": {"unowned": ["/srv/app", "/opt/own/"]}}

test_an_unowned_program_of_the_own_layers_is_denied if {
	some side in ["own", "unknown"]
	codes({"settings": {}, "contents": contents([stray("/x", "unowned", side)])}) == {"contents-file-unowned"}
}

test_one_of_the_base_is_not if {
	codes({"settings": {}, "contents": contents([stray("/x", "unowned", "base")])}) == set()
}

test_a_base_that_provenance_names_is_trusted_by_nobody if {
	given := object.union(contents([stray("/x", "unowned", "base")]), {"baseLayers": 2, "baseBasis": "provenance"})
	codes({"settings": {}, "contents": given}) == {"contents-file-unowned"}
	codes({"settings": {}, "contents": object.union(given, {"baseBasis": "configured"})}) == set()
}

test_files_without_a_name_are_those_of_a_base_that_is_configured if {
	strays := contents([stray("/x", "unowned", "base")])
	files := object.union(strays.files, {"more": 3})
	given := object.union(strays, {"baseLayers": 2, "files": files})
	codes({"settings": {}, "contents": object.union(given, {"baseBasis": "configured"})}) == set()
	told := {"contents-file-unowned", "contents-files-unnamed"}
	codes({"settings": {}, "contents": object.union(given, {"baseBasis": "provenance"})}) == told
}

test_places_may_hold_some if {
	codes({"settings": settings, "contents": contents([stray("/srv/app", "unowned", "own")])}) == set()
	codes({"settings": settings, "contents": contents([stray("/opt/own/a", "unowned", "own")])}) == set()
	codes({"settings": settings, "contents": contents([stray("/srv/app2", "unowned", "own")])}) == {"contents-file-unowned"}
	codes({"settings": settings, "contents": contents([stray("/opt/own", "unowned", "own")])}) == {"contents-file-unowned"}
}

test_a_modified_program_is_denied_wherever_it_may_be if {
	codes({"settings": settings, "contents": contents([stray("/srv/app", "modified", "own")])}) == {"contents-file-modified"}
}

test_a_hidden_package_is_denied if {
	one := {"ecosystem": "deb", "name": "a", "evidence": "/x"}
	codes({"settings": {}, "contents": object.union(contents([]), {"hidden": [one]})}) == {"contents-package-hidden"}
}

test_a_record_that_was_taken_away_is_denied if {
	one := {"ecosystem": "deb", "name": "a", "evidence": "/x", "layer": 0, "why": "it is gone"}
	codes({"settings": {}, "contents": object.union(contents([]), {"faded": [one]})}) == {"contents-record-faded"}
	codes({"settings": {}, "contents": object.union(contents([]), {"faded": []})}) == set()
}

test_more_than_are_named_are_denied_unless_they_are_the_bases if {
	more := {"baseLayers": null, "files": {"strays": [stray("/x", "unowned", "base")], "more": 1}, "hidden": []}
	codes({"settings": {}, "contents": more}) == {"contents-files-unnamed"}
	codes({"settings": {}, "contents": object.union(more, {"baseLayers": 2})}) == set()
	codes({"settings": {}, "contents": object.union(more, {"baseLayers": 1})}) == {"contents-files-unnamed"}
}

test_nothing_known_is_denied if {
	codes({"settings": {}}) == {"contents-unknown"}
	codes({"settings": {}, "contents": null}) == {"contents-unknown"}
}

test_an_honest_image_is_not_denied if {
	codes({"settings": {}, "contents": contents([])}) == set()
}

test_asks_for_the_contents if ownership.needs == {"contents"}

test_what_is_modified_is_not_unowned if {
	codes({"settings": {}, "contents": contents([stray("/x", "modified", "own")])}) == {"contents-file-modified"}
	codes({"settings": {}, "contents": contents([stray("/x", "other", "own")])}) == set()
}

test_a_modified_program_of_the_base_is_not_denied if {
	codes({"settings": {}, "contents": contents([stray("/x", "modified", "base")])}) == set()
}

test_a_base_that_is_not_known_has_no_layers if {
	more := {"files": {"strays": [stray("/x", "other", "base")], "more": 1}, "hidden": []}
	codes({"settings": {}, "contents": more}) == {"contents-files-unnamed"}
	codes({"settings": {}, "contents": object.union(more, {"baseLayers": "2"})}) == {"contents-files-unnamed"}
}

counted(kind, class, least) := {result.code |
	some result in ownership.warn with input as {
		"settings": {"ownership": {"minCoverage": least}},
		"contents": {"files": {"counts": [
			{"kind": kind, "class": class, "side": "own", "files": 9},
			{"kind": "executable", "class": "unowned", "files": 1},
			{"kind": "other", "class": "owned-verified", "files": 90},
			{"kind": "other", "class": "unowned", "files": 90},
		]}},
	}
}

test_contents_coverage if {
	every kind in ["executable", "library", "archive", "script", "kernel-module"] {
		every class in ["owned-verified", "explained", "self-described", "generated"] {
			counted(kind, class, 90) == set()
			counted(kind, class, 91) == {"contents-coverage"}
		}
		every class in ["modified", "unowned", "owned-unverified", "self-recorded"] {
			counted(kind, class, 1) == {"contents-coverage"}
		}
	}
	counted("executable", "unowned", 0) == set()
	some result in ownership.warn with input as {
		"settings": {"ownership": {"minCoverage": 100}},
		"contents": {"files": {"counts": [{"kind": "library", "class": "unowned", "files": 2}]}},
	}
	result.msg == "of 2 files that can be run 100 of a hundred are asked for, and 0 are accounted for"
}

# Nine files of a class and side, and one of nobody: whether nine tenths are accounted for.
covered(class, side, basis, more) if {
	count(ownership.warn) == 0 with input as {
		"settings": {"ownership": object.union({"minCoverage": 90}, more)},
		"contents": {"baseBasis": basis, "files": {"counts": [
			{"kind": "library", "class": class, "side": side, "files": 9},
			{"kind": "library", "class": "unowned", "side": "own", "files": 1},
		]}},
	}
}

test_a_record_covers_where_it_is_the_bases if {
	covered("self-recorded", "base", "configured", {})
	not covered("self-recorded", "base", "provenance", {})
	not covered("self-recorded", "own", "configured", {})
	not covered("self-recorded", "unknown", null, {})
	not covered("owned-unverified", "base", "configured", {})
}

test_what_covers_beside_the_distribution_is_set if {
	covered("self-recorded", "own", "configured", {"covered": ["self-recorded"]})
	covered("owned-unverified", "own", "configured", {"covered": ["owned-unverified"]})
	every class in ["self-described", "generated"] {
		covered(class, "own", "configured", {})
		covered(class, "own", "configured", {"covered": [class]})
		not covered(class, "own", "configured", {"covered": []})
	}
	every class in ["owned-verified", "explained"] {
		covered(class, "own", "configured", {"covered": []})
	}
	not covered("modified", "own", "configured", {"covered": ["self-recorded"]})
}

# Of ten files two are self-recorded in an own layer, seven verified, and one is nobody's.
of_ten(files, more) := [[result.accounted, result.all] |
	some result in ownership.warn with input as {
		"settings": {"ownership": object.union({"minCoverage": 100, "selfRecorded": "deny"}, more)},
		"contents": {"baseBasis": "configured", "baseLayers": 1, "files": {"selfRecorded": files, "counts": [
			{"kind": "library", "class": "owned-verified", "side": "own", "files": 7},
			{"kind": "library", "class": "self-recorded", "side": "own", "files": 2},
			{"kind": "library", "class": "unowned", "side": "own", "files": 1},
		]}},
	}
]

test_an_own_file_with_a_record_of_the_base_is_accounted_for_once if {
	of_ten([], {}) == [[7, 10]]
	of_ten([by_record("/x", "self-recorded", "own", "base"), by_record("/y", "self-recorded", "own", "own")], {}) == [[8, 10]]
	of_ten([by_record("/x", "owned-unverified", "own", "base")], {}) == [[7, 10]]
	of_ten([by_record("/x", "self-recorded", "base", "base")], {}) == [[7, 10]]
	of_ten([by_record("/x", "self-recorded", "own", "base")], {"covered": ["self-recorded"]}) == [[9, 10]]
}

test_nothing_is_asked_where_nothing_is_set if {
	count(ownership.warn) == 0 with input as {"contents": {"files": {"counts": [{"kind": "library", "class": "unowned", "files": 2}]}}}
}

modified(most, owner) := [object.union(stray(sprintf("/x%d", [n]), "modified", "own"), {"owner": owner}) | some n in numbers.range(1, most)]

recorded(files, more) := {"baseLayers": 1, "baseBasis": "configured", "files": {"strays": [], "more": 0, "selfRecorded": files, "selfRecordedMore": more}, "hidden": []}

by_record(path, class, side, record) := object.union(stray(path, class, side), {"owner": {"name": "a", "recordSide": record}})

strict := {"ownership": {"selfRecorded": "deny"}}

warned(given) := {result.code | some result in ownership.warn with input as given}

test_what_only_an_own_record_vouches_for_is_denied if {
	every class in ["self-recorded", "owned-unverified"] {
		codes({"settings": strict, "contents": recorded([by_record("/x", class, "own", "own")], 0)}) == {"contents-file-self-recorded"}
	}
	codes({"settings": strict, "contents": recorded([by_record("/x", "self-recorded", "unknown", null)], 0)}) == {"contents-file-self-recorded"}
	some result in ownership.deny with input as {"settings": strict, "contents": recorded([by_record("/x", "self-recorded", "own", "own")], 0)}
	result.msg == "1 file that can be run is vouched for by the image's own records alone: /x (a)"
}

test_a_record_of_the_base_vouches if {
	codes({"settings": strict, "contents": recorded([by_record("/x", "owned-unverified", "own", "base")], 0)}) == {"contents-file-self-recorded"}
	codes({"settings": strict, "contents": recorded([by_record("/x", "self-recorded", "own", "base")], 0)}) == set()
	codes({"settings": strict, "contents": recorded([by_record("/x", "self-recorded", "base", "base")], 0)}) == set()
	named := object.union(recorded([by_record("/x", "self-recorded", "own", "base")], 0), {"baseBasis": "provenance"})
	codes({"settings": strict, "contents": named}) == {"contents-file-self-recorded"}
}

test_places_may_hold_what_is_self_recorded if {
	codes({"settings": object.union(settings, strict), "contents": recorded([by_record("/opt/own/x", "self-recorded", "own", "own")], 0)}) == set()
	codes({"settings": object.union(settings, strict), "contents": recorded([by_record("/opt/x", "self-recorded", "own", "own")], 0)}) == {"contents-file-self-recorded"}
}

test_what_is_self_recorded_warns_as_set if {
	found := recorded([by_record("/x", "self-recorded", "own", "own")], 3)
	every lenient in [{}, {"ownership": {"selfRecorded": "warn"}}] {
		codes({"settings": lenient, "contents": found}) == set()
		warned({"settings": lenient, "contents": found}) == {"contents-file-self-recorded"}
		warned({"settings": lenient, "contents": recorded([], 0)}) == set()
	}
	warned({"settings": strict, "contents": found}) == set()
}

test_more_self_recorded_files_than_are_named_are_denied_unless_they_are_the_bases if {
	own := recorded([by_record("/x", "self-recorded", "base", "base")], 1)
	codes({"settings": strict, "contents": own}) == {"contents-files-unnamed"}
	codes({"settings": strict, "contents": object.union(own, {"baseLayers": 2})}) == set()
	codes({"settings": strict, "contents": object.union(own, {"files": {"selfRecordedMore": 0}})}) == set()
}

test_many_files_are_cut if {
	some result in ownership.deny with input as {"settings": {}, "contents": contents(modified(6, {"name": "a"}))}
	endswith(result.msg, ": /x1 (a, layer 1), /x2 (a, layer 1), /x3 (a, layer 1), /x4 (a, layer 1), /x5 (a, layer 1) ...")
	some other in ownership.deny with input as {"settings": {}, "contents": contents(modified(5, {"name": "a"}))}
	endswith(other.msg, "/x4 (a, layer 1), /x5 (a, layer 1)")
}

test_a_file_whose_package_is_not_named_is_somebodys if {
	some result in ownership.deny with input as {"settings": {}, "contents": contents(modified(1, null))}
	endswith(result.msg, "/x1 (of a package, layer 1)")
}

test_one_of_a_thousand_is_less_than_all if {
	counts := [{"kind": "library", "class": "owned-verified", "files": 999}, {"kind": "library", "class": "unowned", "files": 1}]
	document := {"settings": {"ownership": {"minCoverage": 100}}, "contents": {"files": {"counts": counts}}}
	{result.code | some result in ownership.warn with input as document} == {"contents-coverage"}
}

test_counts_have_their_noun if {
	ownership.counted(1, "file is", "files are") == "1 file is"
	ownership.counted(0, "file is", "files are") == "0 files are"
	ownership.counted(2, "file is", "files are") == "2 files are"
}
