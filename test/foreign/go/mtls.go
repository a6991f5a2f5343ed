package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
)

// serve echoes lines to one caller's identity, under whatever certificate is present when a connection arrives.
func (w *workload) serve(callerID string) (answer, error) {
	caller, err := spiffeid.FromString(callerID)
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(w, w, tlsconfig.AuthorizeID(caller)))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			go echo(conn)
		}
	}()
	return answer{"address": listener.Addr().String()}, nil
}

func echo(conn net.Conn) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	if _, err := io.Copy(conn, conn); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// call opens one mTLS connection to a server that must have the given identity, and has one line echoed.
func (w *workload) call(address, serverID string) (answer, error) {
	server, err := spiffeid.FromString(serverID)
	if err != nil {
		return nil, err
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: callTimeout}, Config: tlsconfig.MTLSClientConfig(w, w, tlsconfig.AuthorizeID(server))}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(conn, "hello from go"); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, err
	}
	peer := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return answer{"line": line[:len(line)-1], "peerSerial": fmt.Sprintf("%x", peer.SerialNumber)}, nil
}
