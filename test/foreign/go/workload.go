package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	identityv1 "mesh-ca.test/foreign/gen/meshca/identity/v1"
)

// workload holds the present identity. It is a go-spiffe source of both SVID and bundle, so that TLS configurations made
// from it follow every renewal.
type workload struct {
	mutex       sync.Mutex
	svid        *x509svid.SVID
	bundle      *x509bundle.Bundle
	server      string
	trustDomain string
	authorities []*x509.Certificate
}

func (w *workload) GetX509SVID() (*x509svid.SVID, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.svid == nil {
		return nil, errors.New("not enrolled")
	}
	return w.svid, nil
}

func (w *workload) GetX509BundleForTrustDomain(spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.bundle, nil
}

// enrol redeems a join token: learn what the server publishes, keep what the token pins, verify the server by that, and
// only then send the secret.
func (w *workload) enrol(file string) (answer, error) {
	token, err := readJoinToken(file)
	if err != nil {
		return nil, err
	}
	trust, err := learnTrust(token.Server)
	if err != nil {
		return nil, err
	}
	w.server, w.trustDomain = token.Server, token.TrustDomain
	if w.authorities, err = pinnedAuthorities(trust, token.Pins); err != nil {
		return nil, err
	}
	return w.issue(nil, &identityv1.IssueX509SvidRequest{
		Evidence: &identityv1.IssueX509SvidRequest_JoinToken{JoinToken: token.text},
	})
}

// renew proves itself by the present certificate and asks for the next one, for a new key.
func (w *workload) renew() (answer, error) {
	svid, err := w.GetX509SVID()
	if err != nil {
		return nil, err
	}
	certificate := &tls.Certificate{PrivateKey: svid.PrivateKey}
	for _, link := range svid.Certificates {
		certificate.Certificate = append(certificate.Certificate, link.Raw)
	}
	return w.issue(certificate, &identityv1.IssueX509SvidRequest{
		Evidence: &identityv1.IssueX509SvidRequest_TlsCertificate{TlsCertificate: &identityv1.TlsCertificateEvidence{}},
	})
}

func (w *workload) issue(client *tls.Certificate, request *identityv1.IssueX509SvidRequest) (answer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if request.Csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key); err != nil {
		return nil, err
	}
	conn, err := dial(w.server, client, serverVerifier(w.trustDomain, w.authorities))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	issued, err := identityv1.NewIdentityServiceClient(conn).IssueX509Svid(ctx, request)
	if err != nil {
		return nil, err
	}
	return w.accept(issued, key)
}

// accept checks what the server answered with two verifiers that are not ours, and only then makes it the present identity.
func (w *workload) accept(issued *identityv1.IssueX509SvidResponse, key *ecdsa.PrivateKey) (answer, error) {
	var chain []*x509.Certificate
	for _, der := range issued.GetCertificateChain() {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, certificate)
	}
	trustDomain := spiffeid.RequireTrustDomainFromString(w.trustDomain)
	bundle := x509bundle.New(trustDomain)
	for _, der := range issued.GetTrust().GetAnchors() {
		anchor, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		bundle.AddX509Authority(anchor)
	}
	if err := verifyWithCryptoX509(chain, bundle); err != nil {
		return nil, err
	}
	id, _, err := x509svid.Verify(chain, bundle)
	if err != nil {
		return nil, fmt.Errorf("go-spiffe: %w", err)
	}
	if id.String() != issued.GetSpiffeId() {
		return nil, fmt.Errorf("the answer says %s, the certificate %s", issued.GetSpiffeId(), id)
	}
	if !key.PublicKey.Equal(chain[0].PublicKey) {
		return nil, errors.New("the certificate is for another key")
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.svid = &x509svid.SVID{ID: id, Certificates: chain, PrivateKey: key}
	w.bundle = bundle
	return answer{"id": id.String(), "serial": fmt.Sprintf("%x", chain[0].SerialNumber), "logIndex": issued.GetLogIndex()}, nil
}

func verifyWithCryptoX509(chain []*x509.Certificate, bundle *x509bundle.Bundle) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, anchor := range bundle.X509Authorities() {
		roots.AddCert(anchor)
	}
	for _, link := range chain[1:] {
		intermediates.AddCert(link)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("crypto/x509: %w", err)
	}
	return nil
}
