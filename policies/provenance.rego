# A configured signer says how the image was built.
package hallmark.provenance

# METADATA
# title: The image has provenance
# description: >-
#   Without provenance nobody can say from which source an image was built, or build it again. Whoever can push an image can
#   push provenance beside it: what no signer who may vouch for it signed is as if it were not there.
# custom:
#   code: provenance-missing
#   severity: deny
#   solution: >-
#     build with docker buildx build --attest type=provenance,mode=max and sign the index, which covers it, or attach it signed:
#     hallmark sign --key KEY --type slsaprovenance1 --predicate FILE IMAGE@DIGEST
deny contains {"code": "provenance-missing", "msg": msg} if {
	not present
	msg := concat("", [
		"no provenance of the image is proven; build it with docker buildx build --attest type=provenance,mode=max ",
		"and sign the index, or attach signed provenance",
	])
}

present if {
	input.provenance.state == "proven"
	is_object(input.provenance.build)
}

# METADATA
# title: Provenance names the commit
# description: A branch or a local folder is not a source that anybody can look at afterwards.
# custom:
#   code: provenance-no-commit
#   severity: deny
#   solution: build from a git repository at a commit, as docker buildx build URL#COMMIT, not from a local folder
deny contains {"code": "provenance-no-commit", "msg": msg} if {
	present
	not names_commit
	msg := "the provenance names no source commit; build from a git repository at a commit, not from a local folder"
}

names_commit if is_string(input.provenance.build.source.commit)
