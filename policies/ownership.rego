# Every program, library, archive, script and kernel module of the image is somebody's.
package hallmark.ownership

needs contains "contents"

# Layers of no known base count as the image's own: what is not known is not trusted.
own(file) if file.side != "base"

# That proven provenance names a base says where its layers are from, and not that anybody trusts them.
own(_) if input.contents.baseBasis == "provenance"

# Paths that the image's owner answers for: a path, or a folder with its slash.
allowed(path) if path in input.settings.ownership.unowned

allowed(path) if {
	some place in input.settings.ownership.unowned
	endswith(place, "/")
	startswith(path, place)
}

# METADATA
# title: Every file that can be run belongs to a package, describes itself or is listed
# description: >-
#   A program that no package lists and that does not describe itself came in beside the packages: nobody can say what it is
#   made of. policy.settings.ownership.unowned lists paths, and folders with their slash, that may hold such files.
# custom:
#   code: contents-file-unowned
#   severity: deny
#   solution: "install it by a package, build it so that it describes itself, or list its path in policy.settings.ownership.unowned"
deny contains {"code": "contents-file-unowned", "msg": msg, "files": files} if {
	files := sort({path | some file in input.contents.files.strays; file.class == "unowned"; own(file); path := file.path; not allowed(path)})
	count(files) > 0
	msg := sprintf("%s no package's: %s", [counted(count(files), "file that can be run is", "files that can be run are"), some_of(files)])
}

# What only a record of the image itself vouches for: a RECORD of Python or conda, or the folder of a package of npm, gem or
# Composer. A record of the base's layers was not written by whoever made the image.
self_recorded := sort({text |
	some file in object.get(input.contents.files, "selfRecorded", [])
	own(file)
	own_record(file)
	path := file.path
	not allowed(path)
	text := sprintf("%s (%s)", [path, owner(file)])
})

own_record(file) if not recorded_by_base(file)

own_record(_) if input.contents.baseBasis == "provenance"

# A folder of a package has no digests: what is put into it later was never recorded, by whomever the package is from.
recorded_by_base(file) if {
	file.class == "self-recorded"
	file.owner.recordSide == "base"
}

self_recorded_denies if input.settings.ownership.selfRecorded == "deny"

some_self_recorded contains {"code": "contents-file-self-recorded", "msg": msg, "files": self_recorded} if {
	count(self_recorded) > 0
	msg := sprintf("%s vouched for by the image's own records alone: %s", [counted(count(self_recorded), "file that can be run is", "files that can be run are"), some_of(self_recorded)])
}

# METADATA
# title: More than the image's own records vouches for what can be run
# description: >-
#   Whoever makes an image writes the records of its packages of languages: a RECORD with the digest of a planted program, or a
#   package.json beside it, makes the program a package's. So such files count as nobody's, unless a proven SBOM names path and
#   digest, the file describes itself, or a layer of the base has the record. policy.settings.ownership.unowned lists paths that
#   may hold some. With policy.settings.ownership.selfRecorded at "deny" it is a denial, with anything else a warning.
# custom:
#   code: contents-file-self-recorded
#   severity: deny
#   solution: "attest an SBOM that lists files with SHA-256, install below a path that policy.settings.ownership.unowned lists, or set policy.settings.ownership.selfRecorded to warn"
deny contains result if {
	self_recorded_denies
	some result in some_self_recorded
}

# METADATA
# title: It is told which files the image's own records alone vouch for
# description: The same as a warning, without policy.settings.ownership.selfRecorded at "deny".
# custom:
#   code: contents-file-self-recorded
#   severity: warn
#   solution: "attest an SBOM that lists files with SHA-256, or install below a path that policy.settings.ownership.unowned lists"
warn contains result if {
	not self_recorded_denies
	some result in some_self_recorded
}

# METADATA
# title: Files of packages that can be run have the bytes that their package recorded
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
	msg := sprintf("%s other bytes: %s", [counted(count(files), "file of a package has", "files of packages have"), some_of(files)])
}

# METADATA
# title: Every package whose files are there is in its database
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
	msg := sprintf("%s in the image and not in its database: %s", [counted(count(names), "package is", "packages are"), some_of(names)])
}

# METADATA
# title: The records of installed packages are as the package manager wrote them
# description: >-
#   A later layer deleted, shortened or rewrote what a package manager recorded of the files of a package that is installed, so
#   that nobody can tell whether they were changed, or added files to it that came with no version of it.
# custom:
#   code: contents-record-faded
#   severity: deny
#   solution: "leave the lists of the package manager alone, or take them out where the base is built"
deny contains {"code": "contents-record-faded", "msg": msg, "packages": names} if {
	names := sort({text |
		some one in input.contents.faded
		text := sprintf("%s %s (%s of layer %d: %s)", [one.ecosystem, one.name, one.evidence, one.layer, one.why])
	})
	count(names) > 0
	msg := sprintf("records of %s were taken away or changed: %s", [counted(count(names), "package", "packages"), some_of(names)])
}

# METADATA
# title: All modified, unowned and self-recorded files are named
# description: There are more modified, unowned and self-recorded files than are named, so that nobody can say whose they are.
# custom:
#   code: contents-files-unnamed
#   severity: deny
#   solution: "raise limits.toldFiles, or find out why the image has so many"
deny contains {"code": "contents-files-unnamed", "msg": msg} if {
	input.contents.files.more > 0
	lowest := min({file.layer | some file in input.contents.files.strays})
	base := object.get(input.contents, "baseLayers", null)
	not all_in_base(lowest, base)
	msg := sprintf("%s modified or no package's", [counted(input.contents.files.more, "more file is", "more files are")])
}

deny contains {"code": "contents-files-unnamed", "msg": msg} if {
	self_recorded_denies
	more := input.contents.files.selfRecordedMore
	more > 0
	lowest := min({file.layer | some file in input.contents.files.selfRecorded})
	base := object.get(input.contents, "baseLayers", null)
	not all_in_base(lowest, base)
	msg := sprintf("%s vouched for by the image's own records alone", [counted(more, "more file is", "more files are")])
}

# Of upper layers first: where the lowest that is named is the base's, those that are not named are, too.
all_in_base(lowest, base) if {
	is_number(base)
	lowest < base
	object.get(input.contents, "baseBasis", "configured") == "configured"
}

# Of how many hundredths of what can be run is it known whose it is, by more than a record that came with the file.
runnable := {"executable", "library", "archive", "script", "kernel-module"}

# The distribution's record of the bytes, and a list that a signer or the operator vouches for, count always.
covering := {"owned-verified", "explained"} | {class |
	some class in object.get(input, ["settings", "ownership", "covered"], ["generated", "self-described"])
}

covers(one) if one.class in covering

# The base's records were not written by whoever made the image.
covers(one) if {
	one.class == "self-recorded"
	not own(one)
}

all_runnable := sum([one.files | some one in input.contents.files.counts; one.kind in runnable])

counted_whole := sum([one.files | some one in input.contents.files.counts; one.kind in runnable; covers(one)])

# A file of the image's own layers, for whose bytes a record of the base vouches: counts do not tell it from the rest of its class.
vouched_by_base := [file.path |
	not "self-recorded" in covering
	some file in object.get(input.contents.files, "selfRecorded", [])
	own(file)
	not own_record(file)
]

all_accounted := counted_whole + count(vouched_by_base)

# METADATA
# title: Enough of what can be run is accounted for
# description: >-
#   policy.settings.ownership.minCoverage is how many hundredths of all programs, libraries, archives, scripts and kernel modules, those of
#   the base among them, have to be accounted for; 0 asks for none. The bytes that the distribution or the base recorded count, and a
#   list of files that a signer vouches for; policy.settings.ownership.covered lists what counts beside them. What only a record
#   of the image's own layers names is no proof, and counts where it is listed there alone.
# custom:
#   code: contents-coverage
#   severity: warn
#   solution: "install what runs by packages whose database has checksums, build it so that it describes itself, or attest an SBOM that lists files with SHA-256"
warn contains {"code": "contents-coverage", "msg": msg, "accounted": all_accounted, "all": all_runnable} if {
	least := input.settings.ownership.minCoverage
	all_accounted * 100 < least * all_runnable
	msg := sprintf("of %s that can be run %d of a hundred are asked for, and %s accounted for", [counted(all_runnable, "file", "files"), least, counted(all_accounted, "is", "are")])
}

# METADATA
# title: The files of the image were accounted for
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

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
