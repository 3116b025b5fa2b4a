# On which base image the image stands.
package hallmark.base

build := input.provenance.build if input.provenance.state == "proven"

allowed := object.get(input, ["settings", "base", "images"], [])

toolchains := object.get(input, ["settings", "provenance", "toolchains"], [])

# METADATA
# title: The first layers are those of a known base
# description: >-
#   A base is known by the digests of its uncompressed layers, which contents.bases in hallmark.yaml names. What a label or an annotation says of it
#   proves nothing.
# custom:
#   code: base-not-proven
#   severity: deny
#   solution: "build on a base of contents.bases, or add the layers of this one there after somebody looked at it"
deny contains {"code": "base-not-proven", "msg": msg} if {
	not stands_on_base
	msg := "the first layers of the image are those of no base that contents.bases names"
}

stands_on_base if input.image.baseLayers > 0

# METADATA
# title: Base images are listed
# description: Without a list every base would do. policy.settings.base.images has the repositories of those that images may be built from.
# custom:
#   code: base-not-listed
#   severity: deny
#   solution: "list the repositories of your base images in policy.settings.base.images, as registry.example/base/*"
deny contains {"code": "base-not-listed", "msg": msg} if {
	count(allowed) == 0
	msg := "settings.base.images lists no base image, so that the image may stand on none"
}

# METADATA
# title: The provenance names the base
# description: Where no image went into the build, nobody says on what the image stands.
# custom:
#   code: base-not-recorded
#   severity: deny
#   lacks: provenance
#   solution: "build with provenance of mode=max, which lists the images of all FROM lines"
deny contains {"code": "base-not-recorded", "msg": msg} if {
	count(images) == 0
	msg := "proven provenance names no base image"
}

images contains material if {
	some material in build.materials
	material.kind == "image"
}

# METADATA
# title: Only allowed images went into the build
# description: >-
#   Each image that went in is one of policy.settings.base.images, or, where the provenance does not call it base, one of
#   policy.settings.provenance.toolchains. Provenance that does not tell bases from tools speaks of each as if it were either.
# custom:
#   code: base-not-allowed
#   severity: deny
#   solution: >-
#     build from an image of policy.settings.base.images, or list this one; what only helped to build, as an SBOM scanner or a frontend
#     (docker/dockerfile), goes into policy.settings.provenance.toolchains
deny contains {"code": "base-not-allowed", "msg": msg, "images": names} if {
	count(allowed) > 0
	names := sort({name | some image in images; not is_allowed(image); name := named(image)})
	count(names) > 0
	msg := sprintf("%s not allowed: %s", [counted(count(names), "image that the build took is", "images that the build took are"), concat(", ", names)])
}

named(image) := image.name if is_string(image.name)

named(image) := image.uri if not has_name(image)

has_name(image) if is_string(image.name)

pinned(image) if is_string(image.pin)

is_allowed(image) if {
	has_name(image)
	some pattern in allowed
	glob.match(pattern, ["/"], image.name)
}

is_allowed(image) if {
	not image.role == "base"
	has_name(image)
	some pattern in toolchains
	glob.match(pattern, ["/"], image.name)
}

# METADATA
# title: The base is pinned
# description: A base without a digest is another one tomorrow.
# custom:
#   code: base-unpinned
#   severity: deny
#   solution: "write FROM with a digest, as FROM registry.example/base@sha256:..."
deny contains {"code": "base-unpinned", "msg": msg, "images": names} if {
	names := sort({named(image) | some image in images; not pinned(image)})
	count(names) > 0
	msg := sprintf("%s no digest: %s", [counted(count(names), "image that the build took has", "images that the build took have"), concat(", ", names)])
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
