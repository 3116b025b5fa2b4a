# What the image says about itself is vouched for.
package hallmark.attested

# METADATA
# title: Provenance is proven where there is some
# description: Whoever can push an image can push provenance beside it; only a trusted signature makes it evidence.
# custom:
#   code: provenance-unproven
#   severity: deny
#   solution: sign the index digest (it covers what BuildKit embeds), or attach the provenance with cosign attest
deny contains {"code": "provenance-unproven", "msg": msg, "why": why} if {
	not provenance_is_fine
	why := object.get(input, ["provenance", "why"], "unknown")
	msg := sprintf("the image has provenance and no signer who may vouch for it does (%v)", [why])
}

provenance_is_fine if input.provenance.state in {"proven", "missing"}

# METADATA
# title: An SBOM is proven where there is one
# description: One proven SBOM suffices; unsigned copies beside it do no harm.
# custom:
#   code: sbom-unproven
#   severity: deny
#   solution: sign the index digest (it covers what BuildKit embeds), or attach the SBOM with cosign attest
deny contains {"code": "sbom-unproven", "msg": msg, "why": why} if {
	count(input.sboms) > 0
	count([sbom | some sbom in input.sboms; sbom.state == "proven"]) == 0
	why := sort({object.get(sbom, "why", "unknown") | some sbom in input.sboms})
	msg := sprintf("the image has an SBOM and no signer who may vouch for it does (%s)", [concat(", ", [
		sprintf("%v", [w]) | some w in why
	])])
}

deny contains {"code": "sbom-unproven", "msg": msg} if {
	not sboms_are_listed
	msg := "the policy input has no list of SBOMs"
}

sboms_are_listed if is_array(input.sboms)
