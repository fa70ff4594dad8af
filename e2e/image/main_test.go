// SPDX-License-Identifier: Apache-2.0

//go:build linux

package image

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	// distribution is the name of the distribution in the image.
	distribution string
	// root is the directory with the root file system of the image.
	root string
	// description is the path of what `buildah inspect` says of the image.
	description string
	// collector is the path of the collector that was compiled outside of it.
	collector string
)

func TestMain(m *testing.M) {
	flag.StringVar(&distribution, "e2e.distribution", "", "name of the image's distribution")
	flag.StringVar(&root, "e2e.root", "", "absolute path of the image's root file system")
	flag.StringVar(&description, "e2e.image", "", "absolute path of what buildah inspect says of the image")
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.Parse()
	if distribution == "" || root == "" || description == "" || collector == "" {
		fmt.Println("image: give -e2e.distribution, -e2e.root, -e2e.image and -e2e.collector (make e2e-image)")
		return
	}
	os.Exit(m.Run())
}
