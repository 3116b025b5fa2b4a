package hallmark.signature_test

import data.hallmark.signature

by(name) := {"state": "proven", "signers": [{"name": name}]}

denied(document) := {result.code | some result in signature.deny with input as document}

test_a_proven_signature_passes if {
	denied({"signatures": [by("release")]}) == set()
	denied({"signatures": [by("release")], "settings": {"signature": {"signers": ["release"]}}}) == set()
}

test_signature_missing if {
	denied({"signatures": []}) == {"signature-missing"}
	denied({}) == {"signature-missing"}
}

test_signature_unproven_says_why if {
	document := {"signatures": [{"state": "unproven", "why": "unknown-signer", "signers": []}]}
	denied(document) == {"signature-unproven"}
	some result in signature.deny with input as document
	contains(result.msg, "unknown-signer")
}

test_a_state_that_is_not_proven_is_signature_unproven if {
	denied({"signatures": [{"state": "PROVEN"}]}) == {"signature-unproven"}
	denied({"signatures": [{}]}) == {"signature-unproven"}
}

test_signature_signer if {
	document := {"signatures": [by("a")], "settings": {"signature": {"signers": ["a", "b"]}}}
	denied(document) == {"signature-signer"}
	denied(object.union(document, {"signatures": [by("a"), by("b")]})) == set()
	denied(object.union(document, {"settings": {"signature": {"signers": "a"}}})) == {"signature-signer"}
}
