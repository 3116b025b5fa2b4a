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
# title: A configured signer signed the image
# description: >-
#   Without a signature nobody vouches that this digest is what was meant to be published. One by somebody unknown, over
#   another image, or that does not verify, is as if it were not there.
# custom:
#   code: signature-missing
#   severity: deny
#   early: true
#   solution: "sign the digest with a key that hallmark.yaml trusts: hallmark sign --key KEY IMAGE@DIGEST"
deny contains {"code": "signature-missing", "msg": msg} if {
	count(proven) == 0
	msg := "no signature over the image is proven; sign its digest with a key that hallmark.yaml trusts for it"
}

# METADATA
# title: Every signer that is asked for has signed
# description: policy.settings.signature.signers lists names from hallmark.yaml; each of them has to have signed.
# custom:
#   code: signature-signer
#   severity: deny
#   early: true
#   solution: let the named signer sign the digest, or change policy.settings.signature.signers
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

# METADATA
# title: The signature is not too old
# description: >-
#   Whoever can move a tag can move it back to an old image, whose signature is as good as ever. A log or a timestamp
#   authority records an old signature again whenever it is asked to, so that age counts from the start of the signing
#   certificate alone, and a signature by a plain key is never proven to be young.
# custom:
#   code: signature-stale
#   severity: deny
#   early: true
#   solution: sign the image again, keyless, or raise policy.settings.signature.maxAgeDays
deny contains {"code": "signature-stale", "msg": msg} if {
	max_age_days != 0
	count(asked) == 0
	count(fresh) == 0
	count(dated) > 0
	msg := sprintf("no signature is proven to be younger than %s", [counted(max_age_days, "day", "days")])
}

deny contains {"code": "signature-stale", "msg": msg} if {
	max_age_days != 0
	count(asked) == 0
	count(signers) > 0
	count(dated) == 0
	msg := sprintf("signed by %s: %s", [concat(", ", sort(signers)), undated])
}

# Everybody who has to have signed has to have done so lately.
deny contains {"code": "signature-stale", "msg": msg, "signer": wanted} if {
	max_age_days != 0
	is_array(asked)
	some wanted in asked
	wanted in dated
	not wanted in fresh
	msg := sprintf("the signature by %s is not proven to be younger than %s", [wanted, counted(max_age_days, "day", "days")])
}

deny contains {"code": "signature-stale", "msg": msg, "signer": wanted} if {
	max_age_days != 0
	is_array(asked)
	some wanted in asked
	wanted in signers
	not wanted in dated
	msg := sprintf("signed by %s: %s", [wanted, undated])
}

max_age_days := object.get(input, ["settings", "signature", "maxAgeDays"], 0)

undated := concat("", [
	"settings.signature.maxAgeDays needs signatures with certificates; how old one by a plain key is, ",
	"no log or timestamp proves, since either can be had again for an old one",
])

# Whose signature was not made before a certain time.
dated contains signer.name if {
	some signature in proven
	some signer in signature.signers
	is_string(object.get(signer, "notBefore", null))
}

fresh contains signer.name if {
	some signature in proven
	some signer in signature.signers
	is_string(object.get(signer, "notBefore", null))
	age := time.parse_rfc3339_ns(input.time) - time.parse_rfc3339_ns(signer.notBefore)
	age <= max_age_days * 86400000000000
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
