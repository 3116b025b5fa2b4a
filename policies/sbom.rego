# A configured signer says what is in the image.
package hallmark.sbom

# METADATA
# title: The image has an SBOM
# description: >-
#   Without one, whoever wants to know what is inside has to look for himself. What no signer who may vouch for it signed is as
#   if it were not there; unsigned copies beside a proven one do no harm.
# custom:
#   code: sbom-missing
#   severity: deny
#   solution: >-
#     build with docker buildx build --attest type=sbom and sign the index, which covers it, or attach one with
#     hallmark sign --key KEY --type spdx --predicate FILE IMAGE@DIGEST
deny contains {"code": "sbom-missing", "msg": msg} if {
	not present
	msg := concat("", [
		"no SBOM of the image is proven; build it with docker buildx build --attest type=sbom and sign the index, ",
		"or attach one with hallmark sign --key KEY --type spdx --predicate FILE IMAGE@DIGEST",
	])
}

present if {
	some sbom in input.sboms
	sbom.state == "proven"
}
