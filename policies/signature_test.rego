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

test_an_unproven_signature_is_as_if_it_were_not_there if {
	none := {result | some result in signature.deny with input as {"signatures": []}}
	stranger := {"signatures": [{"state": "unproven", "why": "unknown-signer", "signers": []}]}
	none == {result | some result in signature.deny with input as stranger}
}

test_a_state_that_is_not_proven_is_signature_missing if {
	denied({"signatures": [{"state": "PROVEN"}]}) == {"signature-missing"}
	denied({"signatures": [{}]}) == {"signature-missing"}
}

test_signature_signer if {
	document := {"signatures": [by("a")], "settings": {"signature": {"signers": ["a", "b"]}}}
	denied(document) == {"signature-signer"}
	denied(object.union(document, {"signatures": [by("a"), by("b")]})) == set()
	denied(object.union(document, {"settings": {"signature": {"signers": "a"}}})) == {"signature-signer"}
}

signed_at(time, days) := {
	"time": "2026-03-11T00:00:00Z",
	"signatures": [{"state": "proven", "signers": [{"name": "release", "signedAt": time}]}],
	"settings": {"signature": {"maxAgeDays": days}},
}

test_signature_stale if {
	denied(signed_at("2026-03-01T00:00:00Z", 10)) == set()
	denied(signed_at("2026-02-28T23:59:59Z", 10)) == {"signature-stale"}
	denied(signed_at("2026-02-28T23:59:59Z", 0)) == set()
}

test_a_signature_without_a_proven_time_is_signature_stale if {
	document := {"time": "2026-03-11T00:00:00Z", "settings": {"signature": {"maxAgeDays": 10}}}
	denied(object.union(document, {"signatures": [by("release")]})) == {"signature-stale"}
	denied(signed_at(null, 10)) == {"signature-stale"}
}
