package hallmark.sbom_agrees_test

import data.hallmark.sbom_agrees

empty := {"agrees": true, "missing": [], "ghosts": [], "versions": []}

given(state, reconciliation) := {
	"sboms": [{"state": state, "reconciliation": object.union(empty, reconciliation)}],
	"inventory": {"databases": [{"path": "/var/lib/dpkg/status", "error": null}]},
	"settings": {"sbom": {"ghosts": "warn"}},
}

denied(document) := {result.code | some result in sbom_agrees.deny with input as document}

warned(document) := {result.code | some result in sbom_agrees.warn with input as document}

about(word) := {"state": "proven", "about": word, "reconciliation": empty}

asked(document, profile) := object.union(document, {"settings": {"sbom": {"profile": profile}}})

test_asks_for_the_inventory if sbom_agrees.needs == {"inventory"}

test_an_sbom_that_agrees_passes if denied(given("proven", {})) == set()

test_no_sbom_passes if denied({"sboms": []}) == set()

test_sbom_package_missing if {
	document := given("proven", {"missing": [{"name": "zlib1g", "version": "1.2"}]})
	denied(document) == {"sbom-package-missing"}
	some result in sbom_agrees.deny with input as document
	result.msg == "1 package is in the image and not in its SBOM: zlib1g 1.2"
}

many(most) := {"missing": [{"name": sprintf("p%d", [n]), "version": "1"} | some n in numbers.range(1, most)]}

test_many_names_are_cut if {
	some result in sbom_agrees.deny with input as given("proven", many(11))
	contains(result.msg, "11 packages are in the image and not in its SBOM: p1 1, p10 1")
	endswith(result.msg, "p8 1 and 1 more")
	count(result.packages) == 11
	some other in sbom_agrees.deny with input as given("proven", many(10))
	endswith(other.msg, "p8 1, p9 1")
}

test_sbom_version_mismatch if {
	mismatch := {"installed": {"name": "a", "version": "1"}, "claimed": "2"}
	denied(given("proven", {"versions": [mismatch]})) == {"sbom-version-mismatch"}
}

test_sbom_package_ghost_warns_or_denies_as_set if {
	document := given("proven", {"ghosts": [{"name": "a"}]})
	denied(document) == set()
	warned(document) == {"sbom-package-ghost"}
	strict := object.union(document, {"settings": {"sbom": {"ghosts": "deny"}}})
	denied(strict) == {"sbom-package-ghost"}
	warned(strict) == set()
	denied(object.remove(document, ["settings"])) == {"sbom-package-ghost"}
}

strictly(document) := object.union(document, {"settings": {"sbom": {"uncovered": "deny"}}})

test_sbom_ecosystem_absent_warns_or_denies_as_set if {
	document := given("proven", {"uncovered": {"golang": 2, "npm": 1}})
	denied(document) == set()
	warned(document) == {"sbom-ecosystem-absent"}
	denied(strictly(document)) == {"sbom-ecosystem-absent"}
	warned(strictly(document)) == set()
	some result in sbom_agrees.deny with input as strictly(document)
	result.msg == "packages are in the image of which no proven SBOM speaks: 2 of golang, 1 of npm"
	result.ecosystems == ["golang", "npm"]
}

test_nothing_uncovered_passes if {
	every counts in [{}, {"golang": 0}] {
		denied(strictly(given("proven", {"uncovered": counts}))) == set()
		warned(given("proven", {"uncovered": counts})) == set()
	}
	warned(given("unproven", {"uncovered": {"golang": 1}})) == set()
}

beside(first, second) := object.union(given("proven", {}), {"sboms": [
	object.union(about("image"), {"reconciliation": object.union(empty, first)}),
	object.union(about("image"), second),
]})

test_one_sbom_may_speak_of_what_another_leaves_out if {
	warned(beside({"uncovered": {"golang": 1}}, {"reconciliation": object.union(empty, {"uncovered": {"deb": 4}})})) == set()
	warned(beside({"uncovered": {"golang": 1}}, {"reconciliation": object.union(empty, {"uncovered": {"golang": 1}})})) == {"sbom-ecosystem-absent"}
	warned(beside({"uncovered": {"golang": 1}}, {"about": "package"})) == {"sbom-ecosystem-absent"}
}

test_a_partial_sbom_is_not_denied_and_told if {
	whole := given("proven", {"uncovered": {"golang": 2}})
	document := strictly(object.union(whole, {"sboms": [object.union(whole.sboms[0], {"completeness": "incomplete"})]}))
	denied(document) == set()
	warned(document) == {"sbom-ecosystem-absent"}
	complete := strictly(object.union(whole, {"sboms": [object.union(whole.sboms[0], {"completeness": "unknown"})]}))
	denied(complete) == {"sbom-ecosystem-absent"}
}

test_sbom_unchecked_without_an_inventory if {
	denied({"sboms": [{"state": "proven", "reconciliation": null}], "inventory": null}) == {"sbom-unchecked"}
	denied({"sboms": [{"state": "proven"}]}) == {"sbom-unchecked"}
	denied({}) == {"sbom-unchecked"}
}

test_sbom_unchecked_where_a_database_cannot_be_read if {
	document := given("proven", {})
	broken := {"inventory": {"databases": [{"path": "/lib/apk/db", "error": "it is gone"}]}}
	denied(object.union(document, broken)) == {"sbom-unchecked"}
}

test_sbom_unchecked_where_none_is_about_the_image if {
	denied({"sboms": [about("package"), about("build")]}) == {"sbom-unchecked"}
	denied({"sboms": [about("package"), about("image")]}) == set()
}

test_sbom_digest_mismatch if {
	file := {"path": "/usr/bin/app", "claimed": "sha256:0", "found": "sha256:1"}
	denied(given("proven", {"digests": [file]})) == {"sbom-digest-mismatch"}
	denied(given("unproven", {"digests": [file]})) == set()
	denied(given("proven", {"digests": []})) == set()
}

named(binding, carrier) := object.union(
	{"state": "proven", "reconciliation": empty, "namesImage": ["sha256:0"]},
	{"about": about_word(binding), "binding": binding, "carrier": carrier},
)

test_sbom_other_image if {
	denied({"sboms": [named("image", "referrer")]}) == set()
	denied({"sboms": [named("index", "referrer")]}) == set()
	denied({"sboms": [named("none", "file")]}) == set()
	denied({"sboms": [named("other-image", "referrer")]}) == {"sbom-other-image", "sbom-unchecked"}
	denied({"sboms": [named("image", "referrer"), named("other-image", "referrer")]}) == {"sbom-other-image"}
	denied({"sboms": [named("image", "referrer"), named("other-platform", "referrer")]}) == set()
	denied({"sboms": [named("image", "referrer"), named("other-image", "file")]}) == set()
	denied({"sboms": [named("other-platform", "referrer")]}) == {"sbom-unchecked"}
}

about_word(binding) := "other-image" if startswith(binding, "other-")

about_word(binding) := "image" if not startswith(binding, "other-")

test_sbom_quality_is_asked_for_by_name if {
	gaps := {"ntia-2021": [{"element": "supplier", "count": 2, "components": ["a 1", "b 1"]}], "cisa-2026": []}
	document := {"sboms": [{"state": "proven", "reconciliation": empty, "quality": gaps}]}
	denied(document) == set()
	denied(asked(document, "cisa-2026")) == set()
	denied(asked(document, "ntia-2021")) == {"sbom-quality"}
	denied(asked(document, "bsi-tr-03183-2")) == {"sbom-quality"}
}

test_an_unproven_sbom_does_not_count if {
	good := {"state": "proven", "reconciliation": empty}
	bad := {
		"state": "unproven",
		"reconciliation": object.union(empty, {"missing": [{"name": "a", "version": "1"}]}),
	}
	denied({"sboms": [good, bad]}) == set()
	denied({"sboms": [bad]}) == set()
}

test_a_database_that_cannot_be_read_matters_to_an_sbom_alone if {
	broken := {"databases": [{"path": "/lib/apk/db", "error": "it is gone"}]}
	denied({"sboms": [], "inventory": broken}) == set()
	denied({"sboms": [{"state": "unproven"}], "inventory": broken}) == set()
}

test_one_sbom_of_a_part_is_sbom_unchecked if {
	denied({"sboms": [about("package")]}) == {"sbom-unchecked"}
	denied({"sboms": [{"state": "proven", "reconciliation": empty}]}) == set()
}

unread(code, severity) := {one.codes |
	some one in sbom_agrees.deny with input as {
		"sboms": [{"state": "proven", "reconciliation": null}],
		"findings": [{"code": code, "severity": severity}],
	}
}

test_sbom_unchecked_names_the_errors_that_kept_layers_from_being_read if {
	every code in ["image-layer-corrupt", "limit-exceeded", "source-unavailable"] {
		unread(code, "error") == {{code}}
		unread(code, "warning") == {set()}
	}
	unread("signature-invalid", "error") == {set()}
}

test_an_unknown_profile_is_said_to_be_none if {
	document := asked({"sboms": [{"state": "proven", "reconciliation": empty}]}, "own-2026")
	some result in sbom_agrees.deny with input as document
	result.msg == "an SBOM lacks what own-2026 asks for: known profile"
}

test_counts_have_their_noun if {
	sbom_agrees.counted(1, "file is", "files are") == "1 file is"
	sbom_agrees.counted(0, "file is", "files are") == "0 files are"
	sbom_agrees.counted(2, "file is", "files are") == "2 files are"
}
