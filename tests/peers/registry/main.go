// A registry in memory with the referrers API (distribution-spec v1.1), on loopback.
//
//	registry ADDRESS
//
// The lab's own registry has no such API: with this one, tests see what a registry with it is asked, and benchmarks measure verifiers
// and not the registry's disk.
package main

import (
	"log"
	"net/http"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("registry: expected one argument, the address to listen on")
	}
	log.Fatal(http.ListenAndServe(os.Args[1], ociserver.New(ocimem.New(), nil)))
}
