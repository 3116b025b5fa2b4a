package hallmark.attested_test

import data.hallmark.attested

denied(document) := {result.code | some result in attested.deny with input as document}

test_proven_or_missing_passes if {
	denied({"provenance": {"state": "proven"}, "sboms": [{"state": "proven"}, {"state": "unproven"}]}) == set()
	denied({"provenance": {"state": "missing"}, "sboms": []}) == set()
}

test_provenance_unproven if {
	document := {"provenance": {"state": "unproven", "why": "unsigned"}, "sboms": []}
	denied(document) == {"provenance-unproven"}
	some result in attested.deny with input as document
	contains(result.msg, "(unsigned)")
}

test_sbom_unproven if {
	denied({"provenance": {"state": "missing"}, "sboms": [{"state": "unproven", "why": "unsigned"}]}) == {"sbom-unproven"}
}

test_nothing_known_is_denied if denied({}) == {"provenance-unproven", "sbom-unproven"}
