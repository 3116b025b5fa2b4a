package hallmark.transparency_test

import data.hallmark.transparency

by(state, indices) := {"state": state, "signers": [{"name": "release", "logIndices": indices}]}

denied(document) := {result.code | some result in transparency.deny with input as document}

test_a_logged_signature_passes if {
	denied({"signatures": [by("proven", [7])]}) == set()
	denied({"signatures": [by("proven", []), by("proven", [7])]}) == set()
}

test_signature_not_logged if {
	denied({"signatures": [by("proven", [])]}) == {"signature-not-logged"}
	denied({"signatures": [by("unproven", [7])]}) == {"signature-not-logged"}
	denied({"signatures": []}) == {"signature-not-logged"}
	denied({}) == {"signature-not-logged"}
}
