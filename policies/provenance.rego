# The image says how it was built.
package hallmark.provenance

# METADATA
# title: The image has provenance
# description: Without provenance nobody can say from which source an image was built, or build it again.
# custom:
#   code: provenance-missing
#   severity: deny
#   solution: >-
#     build with docker buildx build --attest type=provenance,mode=max, or add it with hallmark provenance create and embed
deny contains {"code": "provenance-missing", "msg": msg} if {
	not present
	msg := concat("", [
		"the image does not say how it was built; build it with ",
		"docker buildx build --attest type=provenance,mode=max, or use hallmark provenance create and embed",
	])
}

present if {
	input.provenance.state in {"proven", "unproven"}
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
	not is_string(object.get(input.provenance.build, ["source", "commit"], null))
	msg := "the provenance names no source commit; build from a git repository at a commit, not from a local folder"
}
