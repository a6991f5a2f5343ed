package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// joinToken is what stands behind "mcajt1.": where the server is, which authorities to accept behind it, and the secret.
type joinToken struct {
	Version     int      `json:"v"`
	TrustDomain string   `json:"td"`
	Server      string   `json:"server"`
	Pins        []string `json:"pins"`
	Secret      string   `json:"secret"`
	text        string
}

func readJoinToken(file string) (*joinToken, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(content))
	encoded, found := strings.CutPrefix(text, "mcajt1.")
	if !found {
		return nil, fmt.Errorf("%s holds no join token", file)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	token := &joinToken{text: text}
	if err := json.Unmarshal(decoded, token); err != nil {
		return nil, err
	}
	if token.Version != 1 || len(token.Pins) == 0 {
		return nil, fmt.Errorf("a join token of version %d with %d pins", token.Version, len(token.Pins))
	}
	return token, nil
}
