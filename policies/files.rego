# What the finished tree of an image holds beside what it needs.
package hallmark.files

needs contains "inventory"

facts := object.get(input, ["inventory", "facts"], null)

# What a setting says, or what holds where nothing is said.
setting(name, default_value) := object.get(input, ["settings", "files", name], default_value)

# The layers of a known base are told apart from the image's own; what lies in no known layer counts as its own.
side_of(one) := "base" if in_base(one)

side_of(one) := "own" if not in_base(one)

in_base(one) if {
	is_number(one.layer)
	one.layer < input.image.baseLayers
}

sides := ["own", "base"]

# Paths that may run with rights of their own.
trusted := {path | some path in setting("privileged", [])}

# METADATA
# title: No program runs with the rights of its owner or group
# description: >-
#   A program with setuid or setgid is a way from any user to root. policy.settings.files.privileged lists paths that may be one,
#   with setuid, setgid or capabilities.
# custom:
#   code: file-set-id
#   severity: deny
#   solution: "take the bits away in the Dockerfile, as chmod a-s PATH, or list the path in policy.settings.files.privileged"
deny contains {"code": "file-set-id", "msg": msg, "side": side, "files": files} if {
	some side in sides
	files := sort({path | some file in facts.setIds; side_of(file) == side; path := file.path; not path in trusted})
	count(files) > 0
	msg := sprintf("%s setuid or setgid: %s", [counted(count(files), "file has", "files have"), some_of(files)])
}

# METADATA
# title: No program has capabilities of its own
# description: >-
#   File capabilities give a program a part of root's rights, whoever starts it. An attribute that cannot be read counts as
#   one. policy.settings.files.privileged lists paths that may have some.
# custom:
#   code: file-capability
#   severity: deny
#   solution: "take them away in the Dockerfile, as setcap -r PATH, or list the path in policy.settings.files.privileged"
deny contains {"code": "file-capability", "msg": msg, "side": side, "files": files} if {
	some side in sides
	files := sort({path | some file in facts.capabilities; side_of(file) == side; path := file.path; not path in trusted})
	count(files) > 0
	msg := sprintf("%s capabilities: %s", [counted(count(files), "file has", "files have"), some_of(files)])
}

# METADATA
# title: Nothing can be replaced by everybody
# description: >-
#   Whoever may write to a program or to its folder decides what the next process runs. Folders with the sticky bit, as /tmp,
#   are none.
# custom:
#   code: file-world-writable
#   severity: deny
#   solution: "take the right away in the Dockerfile, as chmod o-w PATH"
deny contains {"code": "file-world-writable", "msg": msg, "side": side, "files": files} if {
	some side in sides
	files := sort({file.path | some file in facts.worldWritable; side_of(file) == side})
	count(files) > 0
	msg := sprintf("everybody may write to %s: %s", [counted(count(files), "file or folder", "files and folders"), some_of(files)])
}

# METADATA
# title: No device nodes
# description: A runtime makes the devices of a container itself. A device in a layer is a way around it, where it is not ignored.
# custom:
#   code: file-device
#   severity: deny
#   solution: remove the device node from the layer
deny contains {"code": "file-device", "msg": msg, "side": side, "files": files} if {
	some side in sides
	files := sort({file.path | some file in facts.devices; side_of(file) == side})
	count(files) > 0
	msg := sprintf("%s in the layers: %s", [counted(count(files), "device node is", "device nodes are"), some_of(files)])
}

# METADATA
# title: No tools that only an intruder needs
# description: >-
#   policy.settings.files.tools lists the classes that are denied: shell, package-manager, compiler, interpreter, network,
#   debugger. Where nothing is said these are package managers, compilers and debuggers.
# custom:
#   code: tool-present
#   severity: deny
#   solution: build in one stage and copy what runs into another, or take the class out of policy.settings.files.tools
deny contains {"code": "tool-present", "msg": msg, "side": side, "files": files} if {
	some side in sides
	denied := setting("tools", ["package-manager", "compiler", "debugger"])
	files := sort({file |
		some program in facts.programs
		side_of(program) == side
		program.class in denied
		not is_listed_twice(program)
		file := sprintf("%s (%s)", [tool(program), program.class])
	})
	count(files) > 0
	msg := sprintf("%s in the image that it should not need: %s", [counted(count(files), "tool is", "tools are"), some_of(files)])
}

# A tool that is found by its package is not the database that lists the package.
tool(program) := program.path if not program.by == "package"

tool(program) := sprintf("package %s", [program.name]) if program.by == "package"

# Its program is there, too.
is_listed_twice(program) if {
	program.by == "package"
	some other in facts.programs
	other.by == "path"
	other.class == program.class
	other.name == program.name
}

# METADATA
# title: The image is no larger than it may be
# description: policy.settings.files.maxBytes bounds the bytes of all layers as they are stored; 0 for no bound.
# custom:
#   code: image-too-large
#   severity: deny
#   solution: leave out what is not needed; input.inventory.facts.layers says how large each layer is and what later ones hide
deny contains {"code": "image-too-large", "msg": msg} if {
	most := setting("maxBytes", 0)
	most > 0
	facts.size.compressed > most
	msg := sprintf("the layers have %s, of which %d may be", [counted(facts.size.compressed, "byte", "bytes"), most])
}

# METADATA
# title: The image has no more layers than it may have
# description: Each layer is fetched and applied by itself. policy.settings.files.maxLayers bounds how many there are; 0 for no bound.
# custom:
#   code: image-layers-many
#   severity: deny
#   solution: "join steps of the Dockerfile, as RUN a && b, or copy what runs out of an earlier stage"
deny contains {"code": "image-layers-many", "msg": msg} if {
	most := setting("maxLayers", 0)
	most > 0
	input.image.layers > most
	msg := sprintf("the image has %s, of which %d may be", [counted(input.image.layers, "layer", "layers"), most])
}

# METADATA
# title: The image has no more files than it may have
# description: What is there can be run, or has to be searched. policy.settings.files.maxFiles bounds the files of all layers; 0 for no bound.
# custom:
#   code: image-files-many
#   severity: deny
#   solution: leave out what is not needed; input.inventory.facts.layers says how many files each layer has
deny contains {"code": "image-files-many", "msg": msg} if {
	most := setting("maxFiles", 0)
	most > 0
	facts.size.files > most
	msg := sprintf("the layers have %s, of which %d may be", [counted(facts.size.files, "file", "files"), most])
}

# METADATA
# title: All facts of the tree are known
# description: Rules that look for what is wrong find nothing in layers that were not read, and not all in a list that a bound cut.
# custom:
#   code: facts-incomplete
#   severity: deny
#   solution: see why the layers were not read, or raise limits.facts
deny contains {"code": "facts-incomplete", "msg": msg} if {
	not has_facts
	msg := "nothing is known of the files of the image: its layers were not read"
}

deny contains {"code": "facts-incomplete", "msg": msg, "lists": lists} if {
	lists := sort({one.list | some one in facts.leftOut})
	count(lists) > 0
	msg := sprintf("there are more facts than limits.facts: of %s", [concat(", ", lists)])
}

has_facts if {
	is_array(facts.leftOut)
	is_array(facts.setIds)
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
