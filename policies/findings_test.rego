package hallmark.findings_test

import data.hallmark.findings

codes(given) := {result.code | some result in findings.deny with input as given}

test_no_error_passes if {
	codes({"schema": "hallmark/input/v1", "findings": [{"code": "signature-missing", "severity": "warning"}]}) == set()
}

test_error_findings_are_denied_once if {
	given := {"schema": "hallmark/input/v1", "findings": [
		{"code": "image-diff-id-mismatch", "severity": "error"},
		{"code": "image-diff-id-mismatch", "severity": "error"},
		{"code": "limit-exceeded", "severity": "error"},
	]}
	codes(given) == {"error-findings"}
	some result in findings.deny with input as given
	result.msg == "2 kinds of error were found: image-diff-id-mismatch, limit-exceeded"
}

test_an_input_without_findings_is_input_incomplete if {
	codes({}) == {"input-incomplete"}
	codes({"schema": "hallmark/input/v1"}) == {"input-incomplete"}
	codes({"schema": "other", "findings": []}) == {"input-incomplete"}
}

rebuilt(level, determinism) := {
	"schema": "hallmark/input/v1",
	"findings": [],
	"rebuild": {"status": "compared", "level": level, "determinism": determinism},
}

test_rebuild_consistently_different if {
	codes(rebuilt(0, "consistently-different")) == {"rebuild-consistently-different"}
	codes(rebuilt(1, "consistently-different")) == set()
	codes(rebuilt(0, "nondeterministic")) == set()
}
