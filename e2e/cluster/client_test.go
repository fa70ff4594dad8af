// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// client sends requests to kube-apiserver as one user.
type client struct {
	ctx   context.Context
	url   string
	http  *http.Client
	token string // of a service account; empty: the user has a certificate
}

// user returns a client for a user in these groups.
func (c *cluster) user(t *testing.T, name string, groups ...string) *client {
	t.Helper()
	return c.client(t, &tls.Config{Certificates: []tls.Certificate{c.authority.user(t, name, groups...)}}, "")
}

// account returns a client for a service account with that token.
func (c *cluster) account(t *testing.T, token string) *client {
	t.Helper()
	return c.client(t, &tls.Config{}, token)
}

func (c *cluster) client(t *testing.T, config *tls.Config, token string) *client {
	t.Helper()
	config.MinVersion, config.RootCAs = tls.VersionTLS12, c.authority.pool()
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{ctx: c.Ctx, url: "https://" + c.address, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}, token: token}
}

// refused is a response other than 2xx.
type refused struct {
	status  int
	message string
}

func (r *refused) Error() string { return fmt.Sprintf("%d: %s", r.status, r.message) }

// send sends a request and decodes the response into into, unless that is nil. It
// returns the warnings of the response.
func (c *client) send(method, path, contentType string, body []byte, into any) (warnings []string, err error) {
	request, err := http.NewRequestWithContext(c.ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		var status metav1.Status
		if json.Unmarshal(text, &status) != nil {
			status.Message = string(text)
		}
		return nil, &refused{response.StatusCode, status.Message}
	}
	if into != nil {
		err = json.Unmarshal(text, into)
	}
	return response.Header.Values("Warning"), err
}

// create creates an object at a path and returns it as the server has stored it.
func create[T any](c *client, path string, object T) (created T, err error) {
	body, err := json.Marshal(object)
	if err != nil {
		return created, err
	}
	_, err = c.send(http.MethodPost, path+"?fieldValidation=Strict", "application/json", body, &created)
	return created, err
}

// apply applies every object of a manifest to a namespace, as kubectl apply
// --server-side does. Fields that the server does not know, and warnings, are errors.
func (c *client) apply(namespace string, manifest []byte) error {
	documents, err := split(manifest)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := c.applyOne(namespace, document); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) applyOne(namespace string, document []byte) error {
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &object); err != nil {
		return err
	}
	path, err := c.path(object.TypeMeta, namespace)
	if err != nil {
		return err
	}
	what := object.Kind + " " + object.Name
	warnings, err := c.send(http.MethodPatch, path+"/"+object.Name+"?fieldManager=e2e&fieldValidation=Strict", "application/apply-patch+yaml", document, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%s: warnings: %s", what, strings.Join(warnings, "; "))
	}
	return nil
}

// path returns where objects of that kind are in a namespace. The server knows.
func (c *client) path(kind metav1.TypeMeta, namespace string) (string, error) {
	group := "/apis/" + kind.APIVersion
	if kind.APIVersion == "v1" {
		group = "/api/v1"
	}
	var resources metav1.APIResourceList
	if _, err := c.send(http.MethodGet, group, "", nil, &resources); err != nil {
		return "", fmt.Errorf("%s: %w", kind.APIVersion, err)
	}
	for _, r := range resources.APIResources {
		if r.Kind == kind.Kind && r.Namespaced && !strings.Contains(r.Name, "/") {
			return group + "/namespaces/" + namespace + "/" + r.Name, nil
		}
	}
	return "", fmt.Errorf("%s has no %s in namespaces", kind.APIVersion, kind.Kind)
}

// split returns the documents of a YAML file.
func split(manifest []byte) (documents [][]byte, err error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// newNamespace creates a namespace that admits only pods of the restricted profile,
// and returns a user who has the rights of its administrator, and no others.
//
// That is the cluster role admin. A controller, which does not run here, copies the
// rules of these three roles into it.
func (c *cluster) newNamespace(t *testing.T, namespace string) *client {
	t.Helper()
	labels := map[string]string{}
	for _, mode := range []string{"enforce", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	_, err := create(c.admin, "/api/v1/namespaces", corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}})
	require.NoError(t, err)
	name := "admin-of-" + namespace
	for _, role := range []string{"system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"} {
		_, err := create(c.admin, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+namespace+"/rolebindings", rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		})
		require.NoError(t, err)
	}
	return c.user(t, name)
}

// requestToken returns a token for a service account, as a kubelet requests it for a pod.
func (c *client) requestToken(t *testing.T, namespace, account string) string {
	t.Helper()
	hour := int64(3600)
	made, err := create(c, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token",
		authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}})
	require.NoError(t, err)
	require.NotEmpty(t, made.Status.Token)
	return made.Status.Token
}
