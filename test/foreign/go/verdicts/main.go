// Go's crypto/x509 as a judge of certification paths. One question as a line of JSON on stdin, one verdict on stdout:
//
//	{"time": unix ms, "purposes": ["serverAuth"], "chain": [base64 DER, leaf first], "anchors": [base64 DER]}
//	{"ok": false, "error": "x509: ..."}
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

type question struct {
	Time     int64    `json:"time"`
	Purposes []string `json:"purposes"`
	Chain    [][]byte `json:"chain"`
	Anchors  [][]byte `json:"anchors"`
}

type verdict struct {
	Ok    bool   `json:"ok"`
	Error string `json:"error"`
}

var usages = map[string]x509.ExtKeyUsage{
	"serverAuth": x509.ExtKeyUsageServerAuth,
	"clientAuth": x509.ExtKeyUsageClientAuth,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fail(err)
		}
		answer := verdict{Ok: true}
		if err := judge(asked); err != nil {
			answer = verdict{Error: err.Error()}
		}
		if err := encoder.Encode(answer); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Each purpose has to hold by itself: Verify is content with one of several. What Go cannot read helps nobody, and is told with
// the verdict where a path needed it.
func judge(asked question) error {
	leaf, err := x509.ParseCertificate(asked.Chain[0])
	if err != nil {
		return err
	}
	roots, unread := pool(asked.Anchors)
	intermediates, more := pool(asked.Chain[1:])
	options := x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   time.UnixMilli(asked.Time),
	}
	wanted := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	if len(asked.Purposes) > 0 {
		wanted = nil
	}
	for _, purpose := range asked.Purposes {
		usage, known := usages[purpose]
		if !known {
			return fmt.Errorf("unknown purpose %q", purpose)
		}
		wanted = append(wanted, usage)
	}
	for _, usage := range wanted {
		options.KeyUsages = []x509.ExtKeyUsage{usage}
		if _, err := leaf.Verify(options); err != nil {
			return errors.Join(append([]error{err}, append(unread, more...)...)...)
		}
	}
	return nil
}

func pool(certificates [][]byte) (*x509.CertPool, []error) {
	made := x509.NewCertPool()
	var unread []error
	for _, der := range certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		made.AddCert(certificate)
	}
	return made, unread
}
