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
	result.msg == "1 packages are in the image and not in its SBOM: zlib1g 1.2"
}

test_many_names_are_cut if {
	packages := [{"name": sprintf("p%d", [n]), "version": "1"} | some n in numbers.range(1, 12)]
	some result in sbom_agrees.deny with input as given("proven", {"missing": packages})
	contains(result.msg, "12 packages")
	endswith(result.msg, "and 2 more")
	count(result.packages) == 12
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
