# What checks elsewhere say of the image: tests, scans, reviews.
package hallmark.attestations

required := object.get(input, ["settings", "attestations", "required"], [])

# METADATA
# title: Every attestation that is asked for is there
# description: >-
#   policy.settings.attestations.required lists predicate types; of each one attestation is proven and speaks for the image, as that of a test or of a
#   scanner of malware that signs what it found.
# custom:
#   code: attestation-missing
#   severity: deny
#   solution: "let the check run and sign its result: hallmark sign --key KEY --type TYPE --predicate FILE IMAGE@DIGEST"
deny contains {"code": "attestation-missing", "msg": msg, "predicateType": wanted} if {
	some wanted in required
	not wanted in speaking
	msg := sprintf("no attestation of the type %s is proven that speaks for the image", [wanted])
}

deny contains {"code": "attestation-missing", "msg": msg} if {
	not are_listed
	msg := "the policy input has no list of attestations"
}

are_listed if is_array(input.attestations)

speaking contains one.predicateType if {
	some one in input.attestations
	one.state == "proven"
	one.holds == true
}

# METADATA
# title: No trusted check speaks against the image
# description: A test that failed, a summary of another image, a result that says neither. Whoever signed it is trusted to say so.
# custom:
#   code: attestation-against
#   severity: deny
#   solution: see what the check found, mend it, and let it run again
deny contains {"code": "attestation-against", "msg": msg, "predicateType": one.predicateType} if {
	some one in input.attestations
	one.state == "proven"
	not one.holds == true
	msg := sprintf("a trusted attestation of the type %s does not speak for the image%s", [one.predicateType, why(one)])
}

why(one) := sprintf(": %s", [one.problem]) if is_string(one.problem)

why(one) := "" if not has_problem(one)

has_problem(one) if is_string(one.problem)
