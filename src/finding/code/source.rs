//! Codes `source-…` and `limit-…`: where images are fetched from, and the limits of what is read.

macro_rules! source {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    SourceUnavailable = "source-unavailable", Error,
        "the registry could not be read",
        "see the cause; try again when it answers";
    SourceUnreadable = "source-unreadable", Error,
        "a folder or file on this machine cannot be read or written",
        "see the cause; give the folder of a layout, or an archive, that this user can read";
    SourceNotSaved = "source-not-saved", Error,
        "the saved evidence does not have what is asked for",
        "save it again with the same options, or verify without --from";
    SourceAmbiguous = "source-ambiguous", Error,
        "a layout or archive holds several images, and the name fits more than one",
        "give the image's full name or its digest, as oci:DIR:NAME:TAG or oci:DIR@DIGEST";
    SourceUnauthorized = "source-unauthorized", Error,
        "the registry refused the credentials, or asked for some",
        "log in with docker login, or set DOCKER_CONFIG to a folder with a config.json";
    SourceNotFound = "source-not-found", Error,
        "the image is not there",
        "check the name and the digest; say where a bare digest is with --repository, or under repositories in hallmark.yaml";
    SourceAddressRefused = "source-address-refused", Error,
        "a host is at an address that hallmark does not go to",
        "see why: hallmark follows no registry further inside than it is itself";
    SourceCertificateRefused = "source-certificate-refused", Error,
        "no trusted authority vouches for the host's certificate",
        "name the authority's file as registries[].ca in hallmark.yaml";
    SourceRedirectRefused = "source-redirect-refused", Error,
        "a registry points to a place that hallmark does not follow it to",
        "have the registry point to itself or to https without credentials in the URL";
    SourceRealmRefused = "source-realm-refused", Error,
        "the token service that a registry names may not see its credentials",
        "list the host under registries[].authRealms in hallmark.yaml if it belongs to the registry";
    SourceSettingsUnusable = "source-settings-unusable", Error,
        "the settings for a registry cannot be used",
        "correct the host, the ca file or the proxy that the message names";
    LimitExceeded = "limit-exceeded", Error,
        "something is larger than hallmark reads",
        "if it is honest, raise the limit under limits in hallmark.yaml";

    } };
}
