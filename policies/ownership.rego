# Every program, library, archive, script and kernel module of the image is somebody's.
package hallmark.ownership

needs contains "contents"

# Layers of no known base count as the image's own: what is not known is not trusted.
own(file) if file.side != "base"

# Paths that the image's owner answers for: a path, or a folder with its slash.
allowed(path) if path in input.settings.ownership.unowned

allowed(path) if {
	some place in input.settings.ownership.unowned
	endswith(place, "/")
	startswith(path, place)
}

# METADATA
# title: Nothing that can be run is nobody's
# description: >-
#   A program that no package lists and that does not describe itself came in beside the packages: nobody can say what it is
#   made of. policy.settings.ownership.unowned lists paths, and folders with their slash, that may hold such files.
# custom:
#   code: contents-file-unowned
#   severity: deny
#   solution: "install it by a package, build it so that it describes itself, or list its path in policy.settings.ownership.unowned"
deny contains {"code": "contents-file-unowned", "msg": msg, "files": files} if {
	files := sort({file.path | some file in input.contents.files.strays; file.class == "unowned"; own(file); not allowed(file.path)})
	count(files) > 0
	msg := sprintf("%d files that can be run are no package's: %s", [count(files), some_of(files)])
}

# METADATA
# title: No file of a package that can be run was changed
# description: A program of a package with other bytes than the package recorded is not what its version says.
# custom:
#   code: contents-file-modified
#   severity: deny
#   solution: "install the package again, and change no file of it; a program of your own belongs to a path of its own"
deny contains {"code": "contents-file-modified", "msg": msg, "files": files} if {
	files := sort({text |
		some file in input.contents.files.strays
		file.class == "modified"
		own(file)
		text := sprintf("%s (%s, layer %d)", [file.path, owner(file), file.layer])
	})
	count(files) > 0
	msg := sprintf("%d files of packages have other bytes: %s", [count(files), some_of(files)])
}

# METADATA
# title: No package is hidden from its database
# description: Files of a package are there, and the database does not say so, so that nobody looks for its vulnerabilities.
# custom:
#   code: contents-package-hidden
#   severity: deny
#   solution: "remove packages with their package manager, and leave its database alone"
deny contains {"code": "contents-package-hidden", "msg": msg, "packages": names} if {
	names := sort({text |
		some one in input.contents.hidden
		text := sprintf("%s %s (%s)", [one.ecosystem, one.name, one.evidence])
	})
	count(names) > 0
	msg := sprintf("%d packages are in the image and not in its database: %s", [count(names), some_of(names)])
}

# METADATA
# title: The files that are named are all there are
# description: There are more modified and unowned files than are named, so that nobody can say whose they are.
# custom:
#   code: contents-files-unnamed
#   severity: deny
#   solution: "raise limits.toldFiles, or find out why the image has so many"
deny contains {"code": "contents-files-unnamed", "msg": msg} if {
	input.contents.files.more > 0
	lowest := min({file.layer | some file in input.contents.files.strays})
	base := object.get(input.contents, "baseLayers", null)
	not all_in_base(lowest, base)
	msg := sprintf("%d more files are modified or no package's", [input.contents.files.more])
}

# Of upper layers first: where the lowest that is named is the base's, those that are not named are, too.
all_in_base(lowest, base) if {
	is_number(base)
	lowest < base
}

# METADATA
# title: Whose the files are is known
# description: Without an account of the files nothing is known about them.
# custom:
#   code: contents-unknown
#   severity: deny
#   solution: "see the findings of the image: its layers could not be read"
deny contains {"code": "contents-unknown", "msg": "whose the image's files are is not known"} if {
	not is_object(object.get(input, "contents", null))
}

owner(file) := file.owner.name

owner(file) := "of a package" if not file.owner.name

some_of(all) := concat(", ", all) if count(all) <= 5

some_of(all) := sprintf("%s ...", [concat(", ", array.slice(all, 0, 5))]) if count(all) > 5
