package hallmark.sbom_document_test

import data.hallmark.sbom_document

sbom := {
	"state": "proven",
	"document": "sha256:dd",
	"components": [{"name": "a"}],
	"tools": ["syft 1.0"],
	"created": "2026-01-01T10:00:00Z",
	"completeness": null,
	"signers": [{"name": "release", "signedAt": "2026-01-01T10:00:00.5Z"}, {"name": "key", "signedAt": null}],
}

given(change) := {"time": "2026-01-02T00:00:00Z", "sboms": [object.union(sbom, change)]}

denied(document) := {result.code | some result in sbom_document.deny with input as document}

warned(document) := {result.code | some result in sbom_document.warn with input as document}

test_a_good_document_passes if {
	denied(given({})) == set()
	warned(given({})) == set()
	denied({"sboms": []}) == set()
	warned(given({"completeness": "complete", "created": "2026-01-01T10:00:00.9Z"})) == set()
}

test_sbom_no_components if {
	denied(given({"components": []})) == {"sbom-no-components"}
	denied({"sboms": [object.remove(sbom, ["components"])]}) == {"sbom-no-components"}
	denied({}) == {"sbom-no-components"}
}

test_sbom_tool_unknown if {
	warned(given({"tools": []})) == {"sbom-tool-unknown"}
	warned({"time": "2026-01-02T00:00:00Z", "sboms": [object.remove(sbom, ["tools"])]}) == {"sbom-tool-unknown"}
}

test_sbom_time_that_is_not_said if {
	warned(given({"created": null})) == {"sbom-time"}
	warned(given({"created": "yesterday"})) == {"sbom-time"}
	warned(given({"created": "2026-01-01T10:00:00+02:00"})) == {"sbom-time"}
	warned({"time": "2026-01-02T00:00:00Z", "sboms": [object.remove(sbom, ["created"])]}) == {"sbom-time"}
}

test_sbom_time_that_had_not_come if {
	warned(given({"created": "2026-01-01T10:00:01Z"})) == {"sbom-time"}
	warned(given({"created": "2026-01-02T00:00:01Z", "signers": []})) == {"sbom-time"}
	warned(given({"created": "2026-01-02T00:00:00Z", "signers": []})) == set()
	some result in sbom_document.warn with input as given({"created": "2026-01-01T10:00:01Z"})
	result.msg == "an SBOM says that it was made at 2026-01-01T10:00:01Z, after 2026-01-01T10:00:00.5Z"
}

test_sbom_incomplete if {
	warned(given({"completeness": "incomplete"})) == {"sbom-incomplete"}
	warned(given({"completeness": "unknown"})) == {"sbom-incomplete"}
}

test_what_nobody_proved_is_nothing if {
	unproven := object.union(sbom, {"state": "unproven", "components": [], "tools": [], "created": null, "completeness": "unknown"})
	denied({"sboms": [unproven]}) == set()
	warned({"sboms": [unproven]}) == set()
}

test_fractions_of_a_second_do_not_count if {
	warned(given({"created": "2026-01-01T10:00:00.9Z"})) == set()
	warned(given({"created": "2026-01-01T10:00:00.1Z", "signers": [{"name": "release", "signedAt": "2026-01-01T10:00:00Z"}]})) == set()
}

test_a_time_that_is_not_one_is_told_once if {
	results := {result.msg | some result in sbom_document.warn with input as given({"created": "9"})}
	results == {"an SBOM does not say when it was made, in UTC: sha256:dd"}
}
