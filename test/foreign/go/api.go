package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	identityv1 "mesh-ca.test/foreign/gen/meshca/identity/v1"
)

const callTimeout = 10 * time.Second

// dial opens a channel to the Identity API. `verify` is the only judge of the server's certificate: it has no DNS name
// that we would know, only a SPIFFE ID.
func dial(server string, certificate *tls.Certificate, verify func(leaf *x509.Certificate) error) (*grpc.ClientConn, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verify(state.PeerCertificates[0])
		},
	}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return grpc.NewClient(server, grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

// learnTrust asks a server that is not verified yet what it publishes. Nothing secret is sent.
func learnTrust(server string) (*identityv1.TrustSnapshot, error) {
	conn, err := dial(server, nil, func(*x509.Certificate) error { return nil })
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	stream, err := identityv1.NewIdentityServiceClient(conn).WatchTrust(ctx, &identityv1.WatchTrustRequest{})
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if first.GetSnapshot() == nil {
		return nil, errors.New("the first message of WatchTrust is not a snapshot")
	}
	return first.GetSnapshot(), nil
}

// pinnedAuthorities are the published authorities whose key the join token names.
func pinnedAuthorities(trust *identityv1.TrustSnapshot, pins []string) ([]*x509.Certificate, error) {
	var authorities []*x509.Certificate
	for _, published := range trust.GetAuthorities() {
		certificate, err := x509.ParseCertificate(published.GetCertificate())
		if err != nil {
			return nil, err
		}
		pin := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		if slices.Contains(pins, hex.EncodeToString(pin[:])) {
			authorities = append(authorities, certificate)
		}
	}
	if len(authorities) == 0 {
		return nil, errors.New("no published authority is pinned by the join token")
	}
	return authorities, nil
}

// serverVerifier accepts exactly the server of the trust domain, signed directly by one of the authorities.
func serverVerifier(trustDomain string, authorities []*x509.Certificate) func(*x509.Certificate) error {
	want := "spiffe://" + trustDomain + "/mesh-ca/server"
	return func(leaf *x509.Certificate) error {
		if len(leaf.URIs) != 1 || leaf.URIs[0].String() != want {
			return fmt.Errorf("the server is %v, not %s", leaf.URIs, want)
		}
		if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return errors.New("the server's certificate is not valid now")
		}
		for _, authority := range authorities {
			if leaf.CheckSignatureFrom(authority) == nil {
				return nil
			}
		}
		return errors.New("no accepted authority signed the server's certificate")
	}
}
