# The image is not one that the operator has revoked. In every preset: a revocation that is read sometimes is none.
package hallmark.revocation

# METADATA
# title: The image is not revoked
# description: >-
#   A signature stays valid for ever; policy.settings.signature.revoked lists digests that must not run all the same: of an index,
#   a manifest or a configuration, by sha256 or sha512.
# custom:
#   code: image-revoked
#   severity: deny
#   early: true
#   solution: use a newer image, or take the digest out of policy.settings.signature.revoked
deny contains {"code": "image-revoked", "msg": msg, "digest": digest} if {
	is_array(revoked)
	some digest in revoked
	lower(sprintf("%v", [digest])) in digests
	msg := sprintf("%v is revoked by settings.signature.revoked", [digest])
}

deny contains {"code": "image-revoked", "msg": msg} if {
	not is_array(revoked)
	msg := "settings.signature.revoked is no list of digests"
}

# Every digest by which the image, or an index on the way to it, can be meant.
digests := {input.image.digest, input.image.manifest} | {digest | some digest in input.image.digests}

revoked := object.get(input, ["settings", "signature", "revoked"], [])

deny contains {"code": "image-revoked", "msg": msg} if {
	not image_is_named
	msg := "the policy input does not say which image it is about"
}

image_is_named if {
	is_string(input.image.digest)
	is_string(input.image.manifest)
}
