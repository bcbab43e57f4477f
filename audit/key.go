package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// PEM block types of the keys that sign checkpoints.
const (
	pemPrivate = "PRIVATE KEY" // PKCS #8
	pemPublic  = "PUBLIC KEY"  // SubjectPublicKeyInfo
)

// GenerateKey makes a new key pair for checkpoints: the private key in the file at path, for its
// owner alone, and the public one in path + ".pub". Neither may exist.
func GenerateKey(path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	open, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	if err := writePEM(path, pemPrivate, secret, 0o600); err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	if err := writePEM(path+".pub", pemPublic, open, 0o644); err != nil {
		return fmt.Errorf("writing the public key: %w", err)
	}
	return nil
}

func writePEM(path, kind string, der []byte, perm os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	return errors.Join(err, f.Sync(), f.Close())
}

// LoadPrivateKey reads the key that signs checkpoints (PEM, PKCS #8, Ed25519). Nobody but its owner
// may be able to read the file.
func LoadPrivateKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key for checkpoints: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading the key for checkpoints: others than its owner may read %s: chmod 600 it", path)
	}
	der, err := readPEM(path, pemPrivate)
	if err != nil {
		return nil, fmt.Errorf("reading the key for checkpoints: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("reading the key for checkpoints: %s holds no Ed25519 key: make one with `sepproxy audit keygen`", path)
	}
	return key, nil
}

// LoadPublicKey reads the key that checkpoints are checked with (PEM, SubjectPublicKeyInfo, Ed25519).
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path, pemPublic)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("reading the public key: %s holds no Ed25519 key", path)
	}
	return key, nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}
