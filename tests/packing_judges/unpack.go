// The SHA-256 of what is in a packed file, by the libraries that programs in Go use.
//
//	unpack FORMAT FILE
package main

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func open(format string, file io.Reader) (io.Reader, error) {
	switch format {
	case "zst":
		return zstd.NewReader(file)
	case "xz":
		return xz.NewReader(file)
	case "gz":
		return gzip.NewReader(file)
	}
	return nil, fmt.Errorf("unknown format %q", format)
}

func main() {
	file, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	content, err := open(os.Args[1], bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		log.Fatal(err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", hash.Sum(nil))
}
