//! Codes `rebuild-…`: rebuilds, own and others'.

macro_rules! rebuild {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    RebuildDiffers = "rebuild-differs", Warning,
        "the rebuilt image differs from the published one",
        "see the differences; hallmark explain rebuild-differs";
    RebuildNondeterministic = "rebuild-nondeterministic", Warning,
        "two rebuilds differ from each other",
        "make the build deterministic: pass SOURCE_DATE_EPOCH, pin what it fetches, remove randomness";
    RebuildNotReplayable = "rebuild-not-replayable", Warning,
        "the provenance does not say enough to build the image again",
        "see what is missing; build from a git commit with --attest type=provenance,mode=max";
    RebuildFailed = "rebuild-failed", Warning,
        "the build did not succeed",
        "see the end of the build log";
    RebuildPublishedUnreadable = "rebuild-published-unreadable", Warning,
        "a layer of the published image could not be read, so that there is nothing to compare a rebuild with",
        "see the layer and the cause: fetch again where the registry did not answer, publish the image again where the layer is damaged";
    RebuildSourceGone = "rebuild-source-gone", Warning,
        "the source or a base image cannot be fetched any more",
        "keep the repository and the base images at their recorded digests";
    RebuildSourceUnreachable = "rebuild-source-unreachable", Warning,
        "the source or a base image is out of reach",
        "see whether what is named answers from here, and try again";
    RebuildSourceRefused = "rebuild-source-refused", Warning,
        "the source or a base image is at an address that hallmark does not go to",
        "see why; list a host of your own under rebuild.privateSources in hallmark.yaml";
    RebuildTimeout = "rebuild-timeout", Warning,
        "the rebuild took longer than allowed",
        "raise limits.rebuild in hallmark.yaml, or make the build shorter";
    RebuildPlatformForeign = "rebuild-platform-foreign", Warning,
        "this machine cannot run the build steps of a platform that is not its own",
        "rebuild on a machine of that platform, or install its emulator (qemu-user-static with binfmt_misc)";
    RebuildEngineUnavailable = "rebuild-engine-unavailable", Warning,
        "no build engine could replay this image here",
        "see why; hallmark explain rebuild says what a rebuild takes";
    RebuildDissent = "rebuild-dissent", Warning,
        "a trusted rebuilder says that the image is not what its source gives",
        "rebuild it here with --rebuild, and ask the rebuilder for its differences";
    RebuildVerdictInvalid = "rebuild-verdict-invalid", Warning,
        "a signed rebuild verdict cannot be read, or cannot be true of this image",
        "ask its signer what it is; it counts for nothing";
    RebuildInputsUntrusted = "rebuild-inputs-untrusted", Warning,
        "the provenance that a rebuild followed is not proven, and not every input is trusted by name",
        "let a trusted signer vouch for the provenance, or name every input under trust.sources in hallmark.yaml";
    RebuildNotRun = "rebuild-not-run", Info,
        "there is no rebuild of the image that counts",
        "run with --rebuild, or use a policy that asks for it";

    } };
}
