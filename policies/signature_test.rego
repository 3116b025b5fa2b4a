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

old := "2026-02-28T23:59:59Z"

young := "2026-03-01T00:00:00Z"

signed(name, start) := {"state": "proven", "signers": [{"name": name, "notBefore": start}]}

lately(signatures, settings) := {
	"time": "2026-03-11T00:00:00Z",
	"signatures": signatures,
	"settings": {"signature": settings},
}

test_signature_stale if {
	denied(lately([signed("release", young)], {"maxAgeDays": 10})) == set()
	denied(lately([signed("release", old)], {"maxAgeDays": 10})) == {"signature-stale"}
	denied(lately([signed("release", old)], {"maxAgeDays": 0})) == set()
	denied(lately([signed("release", old), signed("release", young)], {"maxAgeDays": 10})) == set()
	denied(lately([], {"maxAgeDays": 10})) == {"signature-missing"}
}

# A fresh timestamp over an old signature proves that it existed by then, and nothing more.
test_a_signature_stamped_again_is_signature_stale if {
	stamp := {"signedAt": "2026-03-10T00:00:00Z", "times": [{"time": "2026-03-10T00:00:00Z", "source": "log"}]}
	keyless := object.union({"name": "release", "notBefore": old}, stamp)
	denied(lately([{"state": "proven", "signers": [keyless]}], {"maxAgeDays": 10})) == {"signature-stale"}
	key := object.union({"name": "release", "notBefore": null}, stamp)
	denied(lately([{"state": "proven", "signers": [key]}], {"maxAgeDays": 10})) == {"signature-stale"}
}

test_a_signature_by_a_plain_key_is_signature_stale_and_says_why if {
	some result in signature.deny with input as lately([by("release")], {"maxAgeDays": 10})
	result.code == "signature-stale"
	contains(result.msg, "plain key")
	denied(lately([signed("release", null)], {"maxAgeDays": 10})) == {"signature-stale"}
	denied(lately([by("release"), signed("person", young)], {"maxAgeDays": 10})) == set()
}

test_everybody_who_is_asked_for_has_signed_lately_or_it_is_signature_stale if {
	asked := {"maxAgeDays": 10, "signers": ["a", "b"]}
	denied(lately([signed("a", young), signed("b", young)], asked)) == set()
	denied(lately([signed("a", young), signed("b", old)], asked)) == {"signature-stale"}
	denied(lately([signed("a", young), by("b")], asked)) == {"signature-stale"}
	denied(lately([signed("a", young), signed("b", young), signed("c", old)], asked)) == set()
	denied(lately([signed("a", young)], asked)) == {"signature-signer"}
}

test_without_a_signature_nobody_else_is_missing if {
	denied({"signatures": [], "settings": {"signature": {"signers": ["a"]}}}) == {"signature-missing"}
	denied(object.union(lately([], {"maxAgeDays": 10, "signers": ["a"]}), {})) == {"signature-missing"}
}

test_a_setting_that_is_no_list_is_signature_signer_once if {
	odd := {"signatures": [by("a")], "settings": {"signature": {"signers": {"x": "b"}, "maxAgeDays": 0}}}
	count({result | some result in signature.deny with input as odd}) == 1
	results := {result | some result in signature.deny with input as lately([by("a")], {"signers": {"x": "a"}, "maxAgeDays": 10})}
	{result.code | some result in results} == {"signature-signer"}
	dated := {result.code | some result in signature.deny with input as lately([signed("a", old)], {"signers": {"x": "a"}, "maxAgeDays": 10})}
	dated == {"signature-signer"}
}

test_signers_who_are_asked_for_are_told_one_by_one if {
	asked := {"maxAgeDays": 10, "signers": ["a"]}
	told := {result.msg | some result in signature.deny with input as lately([signed("a", old)], asked)}
	told == {"the signature by a is not proven to be younger than 10 days"}
	some result in signature.deny with input as lately([by("a")], asked)
	startswith(result.msg, "signed by a: settings.signature.maxAgeDays needs")
	count({one | some one in signature.deny with input as lately([by("a")], asked)}) == 1
}

test_age_is_asked_of_nobody_where_it_is_off if {
	denied(lately([signed("a", old)], {"maxAgeDays": 0, "signers": ["a"]})) == set()
	denied(lately([by("a")], {"maxAgeDays": 0, "signers": ["a"]})) == set()
	denied(lately([signed("a", "2026-03-10T00:00:00Z")], {"maxAgeDays": 1})) == set()
	denied(lately([signed("a", "2026-03-09T23:59:59Z")], {"maxAgeDays": 1})) == {"signature-stale"}
	denied(lately([signed("a", "2026-03-09T23:59:59Z")], {"maxAgeDays": 1, "signers": ["a"]})) == {"signature-stale"}
}

test_age_is_counted_to_the_last_part_of_a_second if {
	document := lately([signed("a", young)], {"maxAgeDays": 10})
	denied(document) == set()
	denied(object.union(document, {"time": "2026-03-11T00:00:00.000000001Z"})) == {"signature-stale"}
}

test_a_key_is_told_once if {
	count({result.msg | some result in signature.deny with input as lately([by("a")], {"maxAgeDays": 10})}) == 1
}

test_counts_have_their_noun if {
	signature.counted(1, "file is", "files are") == "1 file is"
	signature.counted(0, "file is", "files are") == "0 files are"
	signature.counted(2, "file is", "files are") == "2 files are"
}
