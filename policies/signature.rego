# A configured signer vouches for the image.
package hallmark.signature

proven contains signature if {
	some signature in input.signatures
	signature.state == "proven"
}

signers contains signer.name if {
	some signature in proven
	some signer in signature.signers
}

asked := object.get(input, ["settings", "signature", "signers"], [])

# METADATA
# title: The image is signed
# description: Without a signature nobody vouches that this digest is what was meant to be published.
# custom:
#   code: signature-missing
#   severity: deny
#   solution: "sign the digest with a key that hallmark.yaml trusts: cosign sign --key KEY IMAGE@DIGEST"
deny contains {"code": "signature-missing", "msg": msg} if {
	not found
	msg := "the image has no signature; sign its digest with a key that hallmark.yaml trusts for it"
}

found if count(input.signatures) > 0

# METADATA
# title: A configured signer made the signature
# description: A signature by somebody unknown, over another image, or that does not verify, proves nothing.
# custom:
#   code: signature-unproven
#   about: [signature-untrusted, signature-invalid, signature-unsupported, signature-subject-mismatch, signature-malformed]
#   severity: deny
#   solution: sign with a key that hallmark.yaml trusts for this image, or add the signer and a rule there
deny contains {"code": "signature-unproven", "msg": msg, "why": why} if {
	found
	count(proven) == 0
	why := sort({object.get(signature, "why", "unknown") | some signature in input.signatures})
	msg := sprintf("the image has %d signatures and none is by a signer who may vouch for it (%s)", [
		count(input.signatures),
		concat(", ", [sprintf("%v", [w]) | some w in why]),
	])
}

# METADATA
# title: Every signer that is asked for has signed
# description: settings.signature.signers lists names from hallmark.yaml; each of them has to have signed.
# custom:
#   code: signature-signer
#   severity: deny
#   solution: let the named signer sign the digest, or change settings.signature.signers
deny contains {"code": "signature-signer", "msg": msg, "signer": wanted} if {
	count(proven) > 0
	is_array(asked)
	some wanted in asked
	not wanted in signers
	msg := sprintf("the signer %v has not signed the image; it is signed by %s", [wanted, concat(", ", sort(signers))])
}

deny contains {"code": "signature-signer", "msg": msg} if {
	not is_array(asked)
	msg := "settings.signature.signers is no list of names"
}
