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

test_one_kind_of_error_is_enough if {
	codes({"schema": "hallmark/input/v1", "findings": [{"code": "limit-exceeded", "severity": "error"}]}) == {"error-findings"}
}

test_what_was_not_compared_is_not_different if {
	failed := object.union(rebuilt(0, "consistently-different"), {"rebuild": {"status": "failed"}})
	codes(failed) == set()
}

test_counts_have_their_noun if {
	findings.counted(1, "file is", "files are") == "1 file is"
	findings.counted(0, "file is", "files are") == "0 files are"
	findings.counted(2, "file is", "files are") == "2 files are"
}
