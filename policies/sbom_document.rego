# What a proven SBOM says of itself.
package hallmark.sbom_document

judged := [sbom | some sbom in input.sboms; sbom.state == "proven"]

# METADATA
# title: The SBOM lists something
# description: A document without components says that nothing is in the image, or that its generator found nothing.
# custom:
#   code: sbom-no-components
#   severity: deny
#   solution: make the SBOM from the finished image, with a generator that knows what is in it
deny contains {"code": "sbom-no-components", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	not has_components(sbom)
	msg := sprintf("an SBOM lists no component: %s", [sbom.document])
}

deny contains {"code": "sbom-no-components", "msg": msg} if {
	not are_listed
	msg := "the policy input has no list of SBOMs"
}

are_listed if is_array(input.sboms)

has_components(sbom) if count(sbom.components) > 0

# METADATA
# title: The SBOM says what made it
# description: What a list is worth depends on what made it, and from what.
# custom:
#   code: sbom-tool-unknown
#   severity: warn
#   solution: "let the generator write its name and version: creators in SPDX, metadata.tools in CycloneDX"
warn contains {"code": "sbom-tool-unknown", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	not has_tools(sbom)
	msg := sprintf("an SBOM does not say what made it: %s", [sbom.document])
}

has_tools(sbom) if count(sbom.tools) > 0

# METADATA
# title: The SBOM was made before it was signed
# description: A document that says a later time than its signature, or than now, was not made when it says. Times are compared to the second, in UTC.
# custom:
#   code: sbom-time
#   severity: warn
#   solution: "let the generator write the time at which it ran, in UTC: created in SPDX, metadata.timestamp in CycloneDX"
warn contains {"code": "sbom-time", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	not is_dated(sbom)
	msg := sprintf("an SBOM does not say when it was made, in UTC: %s", [sbom.document])
}

warn contains {"code": "sbom-time", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	is_dated(sbom)
	some later in later_than(sbom)
	msg := sprintf("an SBOM says that it was made at %s, after %s", [sbom.created, later])
}

is_dated(sbom) if {
	is_string(sbom.created)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$`, sbom.created)
}

later_than(sbom) := {told |
	some told in {input.time} | {signer.signedAt | some signer in sbom.signers; is_string(signer.signedAt)}
	substring(sbom.created, 0, 19) > substring(told, 0, 19)
}

# METADATA
# title: The SBOM says that it is complete
# description: A document that calls itself incomplete, or says that nobody knows, leaves out what nobody looks for.
# custom:
#   code: sbom-incomplete
#   severity: warn
#   solution: make the SBOM from the finished image, with a generator that finds everything in it
warn contains {"code": "sbom-incomplete", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	sbom.completeness in {"incomplete", "unknown"}
	msg := sprintf("an SBOM says of itself that its completeness is %s: %s", [sbom.completeness, sbom.document])
}
