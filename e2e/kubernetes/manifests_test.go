// SPDX-License-Identifier: Apache-2.0

// Package kubernetes tests the manifests in deploy/kubernetes. tools/validate.sh
// runs it with the path of the built collector; without it, no test runs.
package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifestsDir is the directory of the manifests.
const manifestsDir = "../../deploy/kubernetes"

// collector is the path of the built collector.
var collector string

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "e2e.collector", "", "absolute path of the built collector")
	flag.Parse()
	if collector == "" {
		fmt.Println("kubernetes: give -e2e.collector (make validate)")
		return
	}
	os.Exit(m.Run())
}

// variants are the files for each way to sign in, with the environment variables
// that the cluster sets for it.
func variants() map[string][]string {
	return map[string][]string{
		"client-secret.yaml": nil, // its Secret has everything
		"workload-identity.yaml": {
			"AZURE_TENANT_ID=11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID=66666666-7777-8888-9999-000000000000",
			"AZURE_FEDERATED_TOKEN_FILE=/var/run/secrets/azure/tokens/azure-identity-token",
		},
	}
}

// manifests are the objects that are applied together, by name.
type manifests struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	accounts   map[string]*corev1.ServiceAccount
	claims     map[string]*corev1.PersistentVolumeClaim
	services   map[string]*corev1.Service
	deployment appsv1.Deployment
}

// read decodes each document into its Kubernetes type. Unknown and duplicate
// fields are errors.
func read(t *testing.T, variant string) *manifests {
	t.Helper()
	m := &manifests{
		configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{},
		accounts: map[string]*corev1.ServiceAccount{}, claims: map[string]*corev1.PersistentVolumeClaim{},
		services: map[string]*corev1.Service{},
	}
	for _, file := range []string{"collector.yaml", variant} {
		text, err := os.ReadFile(filepath.Join(manifestsDir, file))
		require.NoError(t, err)
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			m.add(t, document)
		}
	}
	return m
}

func (m *manifests) add(t *testing.T, document []byte) {
	t.Helper()
	var meta metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(document, &meta))
	switch meta.APIVersion + " " + meta.Kind {
	case "v1 ConfigMap":
		store(t, m.configMaps, new(corev1.ConfigMap), document)
	case "v1 Secret":
		store(t, m.secrets, new(corev1.Secret), document)
	case "v1 ServiceAccount":
		store(t, m.accounts, new(corev1.ServiceAccount), document)
	case "v1 PersistentVolumeClaim":
		store(t, m.claims, new(corev1.PersistentVolumeClaim), document)
	case "v1 Service":
		store(t, m.services, new(corev1.Service), document)
	case "apps/v1 Deployment":
		require.Empty(t, m.deployment.Name, "one deployment")
		require.NoError(t, yaml.UnmarshalStrict(document, &m.deployment))
	default:
		require.Fail(t, "unexpected kind", "%s", document)
	}
}

// store decodes an object and stores it under its name, which must be unique.
func store[T metav1.Object](t *testing.T, all map[string]T, object T, document []byte) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict(document, object))
	require.NotContains(t, all, object.GetName())
	require.NotEmpty(t, object.GetName())
	all[object.GetName()] = object
}

func TestOnePodAtATimeRunsWithoutPrivileges(t *testing.T) {
	for variant := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			spec := m.deployment.Spec
			require.EqualValues(t, 1, *spec.Replicas)
			require.Equal(t, appsv1.RecreateDeploymentStrategyType, spec.Strategy.Type)
			require.Subset(t, spec.Template.Labels, spec.Selector.MatchLabels)
			for _, claim := range m.claims {
				require.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}, claim.Spec.AccessModes)
			}

			pod := spec.Template.Spec
			require.Len(t, pod.Containers, 1)
			c := pod.Containers[0]
			require.True(t, *pod.SecurityContext.RunAsNonRoot)
			require.NotZero(t, *pod.SecurityContext.RunAsUser)
			require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			require.False(t, *pod.AutomountServiceAccountToken)
			require.Nil(t, c.SecurityContext.RunAsUser, "the pod's settings apply")
			require.Nil(t, c.SecurityContext.SeccompProfile, "the pod's settings apply")
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.False(t, c.Resources.Limits.Memory().IsZero())
			require.False(t, c.Resources.Requests.Memory().IsZero())
			require.Equal(t, "/health", c.ReadinessProbe.HTTPGet.Path)
			require.NotNil(t, c.LivenessProbe.TCPSocket, "a restart does not fix what the health check reports")
		})
	}
}

func TestEverythingThePodRefersToExists(t *testing.T) {
	for variant := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			pod := m.deployment.Spec.Template.Spec
			require.Contains(t, m.accounts, pod.ServiceAccountName)
			volumes := map[string]bool{}
			for _, v := range pod.Volumes {
				volumes[v.Name] = true
				switch {
				case v.ConfigMap != nil:
					require.Contains(t, m.configMaps, v.ConfigMap.Name)
				case v.PersistentVolumeClaim != nil:
					require.Contains(t, m.claims, v.PersistentVolumeClaim.ClaimName)
				default:
					require.Fail(t, "unexpected kind of volume", v.Name)
				}
			}
			c := pod.Containers[0]
			ports := map[string]int32{}
			for _, p := range c.Ports {
				ports[p.Name] = p.ContainerPort
			}
			require.EqualValues(t, 13133, ports[c.ReadinessProbe.HTTPGet.Port.StrVal])
			require.EqualValues(t, 13133, ports[c.LivenessProbe.TCPSocket.Port.StrVal])
			for _, mount := range c.VolumeMounts {
				require.True(t, volumes[mount.Name], mount.Name)
				require.Empty(t, mount.SubPath, "a subPath is never updated")
			}
			if variant == "client-secret.yaml" {
				require.Contains(t, m.secrets, c.EnvFrom[0].SecretRef.Name)
			} else {
				require.Equal(t, "true", m.deployment.Spec.Template.Labels["azure.workload.identity/use"])
				require.Contains(t, m.accounts[pod.ServiceAccountName].Annotations, "azure.workload.identity/client-id")
			}
		})
	}
}

func TestCollectorAcceptsTheConfiguration(t *testing.T) {
	for variant, cluster := range variants() {
		t.Run(variant, func(t *testing.T) {
			m := read(t, variant)
			c := m.deployment.Spec.Template.Spec.Containers[0]
			folder := t.TempDir()
			m.mount(t, folder)

			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := []string{"validate"}
			for _, arg := range c.Args {
				args = append(args, strings.ReplaceAll(arg, "=/", "="+folder+"/"))
			}
			cmd := exec.CommandContext(ctx, collector, args...)
			cmd.Env = slices.Concat(cluster, m.environment(t))
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)

			var config struct {
				Receivers map[string]struct {
					IDsFile string `json:"incident_ids_file"`
				} `json:"receivers"`
				Extensions map[string]struct {
					Directory string `json:"directory"`
				} `json:"extensions"`
			}
			require.NoError(t, yaml.Unmarshal([]byte(m.configMaps["otelcol-defender-config"].Data["collector.yaml"]), &config))
			require.FileExists(t, filepath.Join(folder, config.Receivers["defender_incidents"].IDsFile))
			require.Equal(t, config.Extensions["file_storage"].Directory, c.VolumeMounts[0].MountPath)
		})
	}
}

func TestPodRunsTheImageOfThisVersionAsItsUser(t *testing.T) {
	m := read(t, "client-secret.yaml")
	pod := m.deployment.Spec.Template.Spec
	var distribution struct {
		Dist struct{ Version string }
	}
	text, err := os.ReadFile("../../builder-config.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &distribution))
	repository, tag, found := strings.Cut(pod.Containers[0].Image, ":")
	require.True(t, found)
	require.Equal(t, distribution.Dist.Version, tag)
	text, err = os.ReadFile("../../tools/image.sh")
	require.NoError(t, err)
	require.Contains(t, string(text), "${IMAGE:-"+repository+":$version}", "the name that make image gives it")

	text, err = os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(text), fmt.Sprintf("\nUSER %d:%d\n", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup))
	require.Contains(t, string(text), fmt.Sprintf("--chown=%d:%d ", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.FSGroup))
	require.Contains(t, string(text), " "+pod.Containers[0].VolumeMounts[0].MountPath+"\n", "the directory of the storage")
	require.Empty(t, pod.Containers[0].Command, "the image's entry point")
}

func TestPrometheusFindsTheMetrics(t *testing.T) {
	m := read(t, "client-secret.yaml")
	template := m.deployment.Spec.Template
	var config struct {
		Service struct {
			Telemetry struct {
				Metrics struct {
					Readers []struct {
						Pull struct {
							Exporter struct {
								Prometheus struct {
									Host string `json:"host"`
									Port int32  `json:"port"`
								} `json:"prometheus"`
							} `json:"exporter"`
						} `json:"pull"`
					} `json:"readers"`
				} `json:"metrics"`
			} `json:"telemetry"`
		} `json:"service"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.configMaps["otelcol-defender-config"].Data["collector.yaml"]), &config))
	require.Len(t, config.Service.Telemetry.Metrics.Readers, 1)
	listens := config.Service.Telemetry.Metrics.Readers[0].Pull.Exporter.Prometheus
	require.Equal(t, "0.0.0.0", listens.Host, "not only within the pod")
	require.Equal(t, map[string]string{
		"prometheus.io/scrape": "true", "prometheus.io/port": strconv.Itoa(int(listens.Port)), "prometheus.io/path": "/metrics",
	}, template.Annotations)

	require.Len(t, m.services, 1)
	service := m.services["otelcol-defender-metrics"]
	require.Subset(t, template.Labels, service.Spec.Selector)
	require.NotEmpty(t, service.Spec.Selector)
	require.Empty(t, service.Annotations, "annotations here too would have the pod scraped twice")
	require.True(t, service.Spec.PublishNotReadyAddresses)
	require.Len(t, service.Spec.Ports, 1)
	require.Equal(t, listens.Port, service.Spec.Ports[0].Port)
	require.Contains(t, template.Spec.Containers[0].Ports, corev1.ContainerPort{Name: service.Spec.Ports[0].TargetPort.StrVal, ContainerPort: listens.Port})
}

// mount writes the files of the config maps below a folder, at the paths they
// have in the pod.
func (m *manifests) mount(t *testing.T, folder string) {
	t.Helper()
	pod := m.deployment.Spec.Template.Spec
	for _, mount := range pod.Containers[0].VolumeMounts {
		dir := filepath.Join(folder, mount.MountPath)
		require.NoError(t, os.MkdirAll(dir, 0o750))
		for _, v := range pod.Volumes {
			if v.Name != mount.Name || v.ConfigMap == nil {
				continue
			}
			for name, text := range m.configMaps[v.ConfigMap.Name].Data {
				// Validation checks that directories exist, so they have to be below the folder.
				text = strings.ReplaceAll(text, "directory: /", "directory: "+path.Clean(folder)+"/")
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
		}
	}
}

// environment returns the environment variables of the container.
func (m *manifests) environment(t *testing.T) []string {
	t.Helper()
	var env []string
	c := m.deployment.Spec.Template.Spec.Containers[0]
	for _, e := range c.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	for _, from := range c.EnvFrom {
		secret, found := m.secrets[from.SecretRef.Name]
		require.True(t, found || *from.SecretRef.Optional)
		if found {
			for name, value := range secret.StringData {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
