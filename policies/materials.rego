# What went into the build.
package hallmark.materials

build := input.provenance.build if input.provenance.state == "proven"

arguments := object.get(input, ["settings", "provenance", "arguments"], null)

toolchains := object.get(input, ["settings", "provenance", "toolchains"], [])

# METADATA
# title: What went into the build is known
# description: Without proven provenance nobody says what went in.
# custom:
#   code: materials-unknown
#   severity: deny
#   lacks: provenance
#   solution: "build with provenance of mode=max and sign the index"
deny contains {"code": "materials-unknown", "msg": msg} if {
	not are_known
	msg := "what went into the build is not known: no provenance is proven"
}

are_known if is_array(build.materials)

# METADATA
# title: All that went in is pinned
# description: An input without digest or commit is another one at the next build, and nobody can say which it was.
# custom:
#   code: material-unpinned
#   severity: deny
#   solution: "write FROM with a digest and ADD with --checksum, and let the builder record what it resolved"
deny contains {"code": "material-unpinned", "msg": msg, "materials": names} if {
	names := sort({material.uri | some material in build.materials; not pinned(material)})
	count(names) > 0
	msg := sprintf("%s no digest: %s", [counted(count(names), "input of the build has", "inputs of the build have"), some_of(names)])
}

# METADATA
# title: The provenance says that it is complete
# description: >-
#   Parameters, materials or steps that are not all recorded may have been anything. policy.settings.provenance.incomplete is "warn" or "deny"; it denies
#   where nothing is said.
# custom:
#   code: provenance-incomplete
#   severity: deny
#   solution: "build with --attest type=provenance,mode=max and from a git repository"
deny contains result if {
	not incomplete_only_warns
	some result in incomplete
}

# METADATA
# title: The provenance says that it is complete
# description: The same as a warning, with policy.settings.provenance.incomplete at "warn".
# custom:
#   code: provenance-incomplete
#   severity: warn
#   solution: "build with --attest type=provenance,mode=max and from a git repository"
warn contains result if {
	incomplete_only_warns
	some result in incomplete
}

pinned(material) if is_string(material.pin)

incomplete_only_warns if input.settings.provenance.incomplete == "warn"

incomplete contains {"code": "provenance-incomplete", "msg": msg, "parts": parts} if {
	is_object(build)
	words := {"completeParameters": "parameters", "completeMaterials": "materials", "completeSteps": "steps"}
	parts := sort([word | some field, word in words; not build[field] == true])
	count(parts) > 0
	msg := sprintf("the provenance does not record all of its %s", [concat(", ", parts)])
}

# METADATA
# title: The steps of the build reached no network
# description: What a step fetches is in no list of inputs. This is a warning, since most builds fetch something.
# custom:
#   code: build-network-open
#   severity: warn
#   solution: "fetch what is needed in steps of their own, and build with --network=none"
warn contains {"code": "build-network-open", "msg": msg, "network": build.network} if {
	build.network != "none"
	msg := sprintf("the steps of the build could reach a network: %s", [build.network])
}

# METADATA
# title: Nothing was fetched by URL
# description: ADD of a URL is an input that no repository and no registry keeps.
# custom:
#   code: material-remote
#   severity: warn
#   solution: "keep the file in the repository or in a registry"
warn contains {"code": "material-remote", "msg": msg, "materials": names} if {
	names := sort({material.uri | some material in build.materials; material.kind == "http"})
	count(names) > 0
	msg := sprintf("%s fetched by URL: %s", [counted(count(names), "input of the build was", "inputs of the build were"), some_of(names)])
}

# METADATA
# title: No folder of the builder's machine went in
# description: Nobody else has such a folder, and nobody knows what was in it.
# custom:
#   code: material-local
#   severity: deny
#   solution: "build from a git repository at a commit, as docker buildx build URL#COMMIT"
deny contains {"code": "material-local", "msg": msg, "folders": names} if {
	names := sort({name | some name in build.localInputs})
	count(names) > 0
	msg := sprintf("%s of the machine that built went in: %s", [counted(count(names), "folder", "folders"), some_of(names)])
}

# METADATA
# title: Only expected arguments were given to the build
# description: Whoever starts a build can change it by arguments. Where policy.settings.provenance.arguments is there, only those that it names may be given.
# custom:
#   code: argument-unexpected
#   severity: deny
#   solution: "build without the argument, or name it in policy.settings.provenance.arguments"
deny contains {"code": "argument-unexpected", "msg": msg, "arguments": names} if {
	is_array(arguments)
	names := sort({name | some name, _ in build.buildArgs; not name in arguments})
	count(names) > 0
	msg := sprintf("%s not expected: %s", [counted(count(names), "argument of the build was", "arguments of the build were"), some_of(names)])
}

# METADATA
# title: The tools of the build are approved
# description: >-
#   Where policy.settings.provenance.toolchains lists some, images that the provenance calls toolchain, and the one that reads the Dockerfile, match one of
#   them.
# custom:
#   code: toolchain-not-approved
#   severity: warn
#   solution: "build with an approved image, or list this one in policy.settings.provenance.toolchains"
warn contains {"code": "toolchain-not-approved", "msg": msg, "images": names} if {
	count(toolchains) > 0
	names := sort({name | some name in tools; not is_approved(name)})
	count(names) > 0
	msg := sprintf("%s none of settings.provenance.toolchains: %s", [counted(count(names), "image that built is", "images that built are"), some_of(names)])
}

tools contains material.name if {
	some material in build.materials
	material.role == "toolchain"
	is_string(material.name)
}

tools contains build.frontend if is_string(build.frontend)

# With and without tag and digest.
is_approved(name) if {
	some pattern in toolchains
	some form in {name, regex.replace(name, `@.*$`, ""), regex.replace(name, `(:[^/@]*)?(@.*)?$`, "")}
	glob.match(pattern, ["/"], form)
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
