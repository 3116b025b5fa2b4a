// Command runtime-judge asks containerd's own code what it would do with an image, for tests that hold hallmark against it.
//
// Each subcommand reads one JSON value a line from stdin and answers each with one line on stdout, in order; see the file of
// its name. A question that cannot be read ends the program: the test asked it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Longest question, in bytes.
const maxLine = 64 << 20

// A subcommand: one line of JSON in, a value that becomes one line of JSON out.
type command func(ctx context.Context, line []byte) (any, error)

var commands = map[string]command{
	"apply":     apply,
	"layers":    layers,
	"names":     names,
	"platforms": platforms,
}

func main() {
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: runtime-judge SUBCOMMAND < questions > answers; subcommands:")
		for name := range commands {
			fmt.Fprintln(os.Stderr, "  "+name)
		}
		os.Exit(2)
	}
	if err := answer(context.Background(), commands[os.Args[1]], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "runtime-judge:", err)
		os.Exit(1)
	}
}

// answer runs the command for every line. Answers are written as they come: whoever asks may wait for one.
func answer(ctx context.Context, run command, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		said, err := run(ctx, lines.Bytes())
		if err != nil {
			return err
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}
