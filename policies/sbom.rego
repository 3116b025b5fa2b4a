# The image has an SBOM.
package hallmark.sbom

# METADATA
# title: The image has an SBOM
# description: Without one, whoever wants to know what is inside has to look for himself.
# custom:
#   code: sbom-missing
#   severity: deny
#   solution: >-
#     build with docker buildx build --attest type=sbom, or attach one with
#     cosign attest --type spdxjson --predicate FILE IMAGE@DIGEST
deny contains {"code": "sbom-missing", "msg": msg} if {
	not present
	msg := concat("", [
		"the image has no SBOM; build it with docker buildx build --attest type=sbom, ",
		"or attach one with cosign attest --type spdxjson --predicate FILE IMAGE@DIGEST",
	])
}

present if count(input.sboms) > 0
