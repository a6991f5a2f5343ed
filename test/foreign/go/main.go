// A workload written in Go, with nothing of mesh-ca but its published .proto: it enrols by join token, checks what it got
// with crypto/x509 and go-spiffe, and speaks mTLS in both directions. It obeys lines on stdin and answers with one line of
// JSON each on stdout:
//
//	enrol FILE             redeem the join token in FILE
//	renew                  a new key and certificate, proved by the present certificate
//	serve SPIFFE_ID        start an mTLS echo server that accepts that caller only; answers its address
//	bundle DOMAIN URL FILE  fetch a trust bundle by https_web, with the CAs in FILE
//	call ADDR SPIFFE_ID    one mTLS connection to a server with that identity: send a line, read it back
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type answer map[string]any

func main() {
	workload := &workload{}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		result, err := obey(workload, strings.Fields(lines.Text()))
		if err != nil {
			result = answer{"error": err.Error()}
		}
		if err := out.Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func obey(w *workload, words []string) (answer, error) {
	switch {
	case len(words) == 2 && words[0] == "enrol":
		return w.enrol(words[1])
	case len(words) == 1 && words[0] == "renew":
		return w.renew()
	case len(words) == 2 && words[0] == "serve":
		return w.serve(words[1])
	case len(words) == 4 && words[0] == "bundle":
		return fetchBundle(words[1], words[2], words[3])
	case len(words) == 3 && words[0] == "call":
		return w.call(words[1], words[2])
	}
	return nil, fmt.Errorf("not a command: %q", words)
}
