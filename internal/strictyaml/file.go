package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// ReadFile reads a file that Decode is to read: a regular one, of at most MaxSize bytes. It never
// waits for anybody, as reading a pipe would; errors are the os package's, or say what is wrong.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("it is not a regular file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(data) > MaxSize {
		return nil, &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has more than %d bytes", MaxSize)}
	}
	return data, err
}
