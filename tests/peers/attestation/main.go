// Program attestation-strict reads an in-toto statement from standard input as the types of in-toto's own Go module do, where
// nothing may be in it that they do not know. Exit code 0 for a statement whose predicate is a verification summary, or 1 and why.
package main

import (
	"fmt"
	"io"
	"os"

	vsa "github.com/in-toto/attestation/go/predicates/vsa/v1"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func read(text []byte) error {
	var said statement.Statement
	strict := protojson.UnmarshalOptions{}
	if err := strict.Unmarshal(text, &said); err != nil {
		return err
	}
	if err := said.Validate(); err != nil {
		return err
	}
	if said.PredicateType != "https://slsa.dev/verification_summary/v1" {
		return fmt.Errorf("it is a %s", said.PredicateType)
	}
	predicate, err := protojson.Marshal(said.Predicate)
	if err != nil {
		return err
	}
	var summary vsa.VerificationSummary
	if err := strict.Unmarshal(predicate, &summary); err != nil {
		return err
	}
	fmt.Println(summary.Verifier.Id, summary.VerificationResult, summary.VerifiedLevels)
	return nil
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = read(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
