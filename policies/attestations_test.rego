package hallmark.attestations_test

import data.hallmark.attestations

kind := "https://in-toto.io/attestation/test-result/v0.1"

one(state, holds) := {"predicateType": kind, "state": state, "holds": holds, "problem": null}

given(list, required) := {"attestations": list, "settings": {"attestations": {"required": required}}}

denied(document) := {result.code | some result in attestations.deny with input as document}

test_what_is_asked_for_and_holds_passes if {
	denied(given([one("proven", true)], [kind])) == set()
	denied(given([], [])) == set()
	denied({"attestations": []}) == set()
}

test_attestation_missing if {
	denied(given([], [kind])) == {"attestation-missing"}
	denied(given([one("unproven", true)], [kind])) == {"attestation-missing"}
	denied(given([one("proven", true)], [kind, "https://other.example/v1"])) == {"attestation-missing"}
	denied({}) == {"attestation-missing"}
}

test_attestation_against if {
	denied(given([one("proven", false)], [])) == {"attestation-against"}
	denied(given([one("proven", false)], [kind])) == {"attestation-against", "attestation-missing"}
	denied(given([one("proven", false), one("proven", true)], [kind])) == {"attestation-against"}
	denied(given([object.remove(one("proven", true), ["holds"])], [])) == {"attestation-against"}
	denied(given([one("unproven", false)], [])) == set()
}

test_the_message_says_why if {
	bad := object.union(one("proven", false), {"problem": "it is of another form"})
	some result in attestations.deny with input as given([bad], [])
	endswith(result.msg, "for the image: it is of another form")
	some other in attestations.deny with input as given([one("proven", false)], [])
	endswith(other.msg, "for the image")
	some third in attestations.deny with input as given([object.remove(one("proven", false), ["problem"])], [])
	endswith(third.msg, "for the image")
}
