# What is proven is about this image, and does not contradict itself.
package hallmark.binding

judged := [sbom | some sbom in input.sboms; sbom.state == "proven"]

# METADATA
# title: It is known which image this is
# description: Evidence is bound to digests; where the image has none, nothing is about it.
# custom:
#   code: image-unnamed
#   severity: deny
#   solution: "evaluate these rules with the input that hallmark makes, hallmark/input/v1"
deny contains {"code": "image-unnamed", "msg": msg} if {
	not image_is_named
	msg := "the policy input does not say by which digests the image can be meant"
}

image_is_named if {
	is_string(input.image.digest)
	is_string(input.image.manifest)
	count(input.image.digests) > 0
}

# METADATA
# title: The SBOM names this image
# description: An SBOM that names digests as its image names one of the index, the manifest or the configuration that is judged.
# custom:
#   code: sbom-names-other
#   severity: deny
#   solution: make the SBOM from the image as it was published, by digest
deny contains {"code": "sbom-names-other", "msg": msg, "document": sbom.document} if {
	some sbom in judged
	sbom.about == "image"
	count(sbom.namesImage) > 0
	every digest in sbom.namesImage {
		not is_of_image(digest)
	}
	msg := sprintf("an SBOM is about another image: %s", [concat(", ", sbom.namesImage)])
}

is_of_image(digest) if digest in input.image.digests

# METADATA
# title: The signature covers the provenance
# description: What counts is what the signer signed, or what the bytes of the signed index or image name. Anything else is not bound to the image.
# custom:
#   code: provenance-unbound
#   severity: deny
#   solution: sign the index that names the provenance, or attach signed provenance
deny contains {"code": "provenance-unbound", "msg": msg} if {
	provenance := input.provenance
	provenance.state == "proven"
	not is_bound(provenance)
	msg := "nothing says how the signature covers the provenance"
}

deny contains {"code": "provenance-unbound", "msg": msg} if {
	not provenance_is_told
	msg := "the policy input does not say whether there is provenance"
}

provenance_is_told if is_string(input.provenance.state)

is_bound(proof) if proof.basis in {"signed", "covered-by-index", "covered-by-image"}

# METADATA
# title: Proven provenance does not contradict itself
# description: Two trusted statements of one type that tell two stories are none that can be relied on.
# custom:
#   code: provenance-contradicts
#   severity: deny
#   solution: find out which build is the right one, and withdraw what is wrong
deny contains {"code": "provenance-contradicts", "msg": msg} if {
	some finding in input.findings
	finding.code == "provenance-conflict"
	msg := sprintf("trusted provenance contradicts other trusted provenance: %s", [object.get(finding, ["facts", "why"], finding.subject)])
}

# METADATA
# title: Proven SBOMs do not contradict each other
# description: >-
#   Two trusted SBOMs of the image, one inside of it and one attached for example, say the same version of each package that both list once.
# custom:
#   code: sbom-contradicts
#   severity: deny
#   solution: make one SBOM from the finished image, and attach no other
deny contains {"code": "sbom-contradicts", "msg": msg, "packages": names} if {
	names := sort(contradicted)
	count(names) > 0
	msg := sprintf("trusted SBOMs say different versions of %s: %s", [counted(count(names), "package", "packages"), some_of(names)])
}

# What an SBOM of the image lists with a version, sorted: versions of one package stand beside each other.
listed(sbom) := sort({[component.ecosystem, component.name, component.version] |
	some component in sbom.components
	is_string(component.ecosystem)
	is_string(component.version)
})

# The version of each package that a sorted list has one version of.
versions(list) := {[ecosystem, name]: version |
	several := {[one[0], one[1]] |
		some at, one in list
		next := list[at + 1]
		one[0] == next[0]
		one[1] == next[1]
	}
	some [ecosystem, name, version] in list
	not [ecosystem, name] in several
}

contradicted contains sprintf("%s/%s (%s, %s)", [known[0], known[1], one, other]) if {
	some i, j
	judged[i].about == "image"
	judged[j].about == "image"
	i < j
	left := versions(listed(judged[i]))
	right := versions(listed(judged[j]))
	some known, one in left
	other := right[known]
	one != other
}

# METADATA
# title: Every platform is judged
# description: An index has images for other platforms, which this run does not look at. Whoever pulls by another platform gets one that nobody judged.
# custom:
#   code: platform-not-judged
#   severity: warn
#   solution: "run with --all-platforms, or pull by the digest of the platform that was judged"
warn contains {"code": "platform-not-judged", "msg": msg, "platforms": names} if {
	names := sort({name | some one in input.image.notJudged; name := platform(one)})
	count(names) > 0
	msg := sprintf("%s not judged: %s", [counted(count(names), "image of another platform is", "images of other platforms are"), some_of(names)])
}

platform(one) := one.platform if is_string(one.platform)

platform(one) := one.manifest if not has_platform(one)

has_platform(one) if is_string(one.platform)

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
