// Go's net/http as a reader of what the proxy's HTTP/1.1 writers write. Each line on stdin is a stream in JSON; the answer is a line of
// JSON: the messages in it, until the stream ends or Go refuses it.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
)

type question struct {
	// The request's method; empty: the stream is one of requests.
	Method string `json:"method"`
	// In base64.
	Stream string `json:"stream"`
}

type message struct {
	Start    string   `json:"start"`
	Host     string   `json:"host"`
	Fields   []string `json:"fields"`
	Length   int64    `json:"length"`
	Chunked  bool     `json:"chunked"`
	Close    bool     `json:"close"`
	Body     string   `json:"body"`
	Trailers []string `json:"trailers"`
}

type answer struct {
	Messages []message `json:"messages"`
	Error    string    `json:"error"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	in := json.NewDecoder(os.Stdin)
	for {
		var asked question
		if err := in.Decode(&asked); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		stream, err := base64.StdEncoding.DecodeString(asked.Stream)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := out.Encode(read(asked.Method, bufio.NewReader(bytes.NewReader(stream)))); err != nil {
			os.Exit(1)
		}
	}
}

func read(method string, stream *bufio.Reader) answer {
	result := answer{Messages: []message{}}
	for {
		if _, err := stream.Peek(1); err == io.EOF {
			return result
		}
		var next message
		var err error
		if method == "" {
			next, err = request(stream)
		} else {
			next, err = response(stream, method)
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		result.Messages = append(result.Messages, next)
	}
}

func request(stream *bufio.Reader) (message, error) {
	r, err := http.ReadRequest(stream)
	if err != nil {
		return message{}, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return message{}, err
	}
	start := r.Method + " " + r.RequestURI + " " + r.Proto
	return message{start, r.Host, fields(r.Header), r.ContentLength, chunked(r.TransferEncoding), r.Close,
		latin1(string(body)), fields(r.Trailer)}, nil
}

func response(stream *bufio.Reader, method string) (message, error) {
	r, err := http.ReadResponse(stream, &http.Request{Method: method})
	if err != nil {
		return message{}, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return message{}, err
	}
	start := fmt.Sprintf("%s %d", r.Proto, r.StatusCode)
	return message{start, "", fields(r.Header), r.ContentLength, chunked(r.TransferEncoding), r.Close,
		latin1(string(body)), fields(r.Trailer)}, nil
}

func chunked(codings []string) bool {
	return len(codings) == 1 && codings[0] == "chunked"
}

// fields gives "name: value" lines with names in lower case, sorted, because Go keeps no order of names.
func fields(header http.Header) []string {
	lines := []string{}
	for name, values := range header {
		for _, value := range values {
			lines = append(lines, latin1(strings.ToLower(name)+": "+value))
		}
	}
	sort.Strings(lines)
	return lines
}

// latin1 makes a character of each octet, so that JSON can carry it.
func latin1(octets string) string {
	runes := make([]rune, len(octets))
	for i := range len(octets) {
		runes[i] = rune(octets[i])
	}
	return string(runes)
}
