// The timestamp authority of Sigstore as it is, but for one thing: its own command listens on a fixed port on every address for
// metrics, so that no two of them run on a machine. This one serves timestamps, on loopback, and nothing else.
//
//	timestamp-server --port N     the key and its certificates live in memory
package main

import (
	"flag"
	"log"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

const policy = "1.3.6.1.4.1.57264.2"

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	flag.String("lab", "", "folder of the lab that it belongs to, so that the lab finds it")
	flag.Parse()

	viper.Set("timestamp-signer", "memory")
	viper.Set("timestamp-signer-hash", "sha256")
	viper.Set("default-policy-oid", policy)
	viper.Set("accepted-policy-oids", []string{policy})
	viper.Set("max-request-body-size", 1<<20)

	authority := server.NewRestAPIServer("127.0.0.1", *port, []string{"http"}, false, 30*time.Second, 30*time.Second)
	authority.CleanupTimeout = time.Second
	if err := authority.Serve(); err != nil {
		log.Fatal(err)
	}
}
