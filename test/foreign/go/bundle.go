package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// fetchBundle reads a trust domain's bundle as a federating trust domain does (profile https_web), with the CAs in caFile as the web's.
func fetchBundle(trustDomain, url, caFile string) (answer, error) {
	td, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	bundle, err := federation.FetchBundle(ctx, td, url, federation.WithWebPKIRoots(roots))
	if err != nil {
		return nil, err
	}
	sequence, hasSequence := bundle.SequenceNumber()
	hint, hasHint := bundle.RefreshHint()
	if !hasSequence || !hasHint {
		return nil, fmt.Errorf("no sequence number (%v) or no refresh hint (%v)", hasSequence, hasHint)
	}
	authorities := [][]byte{}
	for _, authority := range bundle.X509Authorities() {
		authorities = append(authorities, authority.Raw)
	}
	return answer{"sequence": sequence, "refreshHintSeconds": hint.Seconds(), "authorities": authorities}, nil
}
