{{/* Names and labels. */}}

{{- define "palimpsest.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $long := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $long .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What tells our pods from all others. */}}
{{- define "palimpsest.selector" -}}
app.kubernetes.io/name: palimpsest
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "palimpsest.labels" -}}
{{ include "palimpsest.selector" . }}
app.kubernetes.io/part-of: palimpsest
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "palimpsest.claim" -}}
{{- $claim := get .root.Values.storage .name -}}
{{- default (printf "%s-%s" (include "palimpsest.fullname" .root) .name) $claim.existingClaim -}}
{{- end -}}

{{- define "palimpsest.account" -}}
{{- $full := include "palimpsest.fullname" . -}}
{{- if and (not .Values.serviceAccounts.create) (not .Values.serviceAccounts.workflow) -}}
{{- fail "serviceAccounts.workflow: give the name of an account, or let serviceAccounts.create be true" -}}
{{- end -}}
{{- default $full .Values.serviceAccounts.workflow -}}
{{- end -}}

{{- define "palimpsest.executor" -}}
{{- $full := include "palimpsest.fullname" . -}}
{{- if and (not .Values.serviceAccounts.create) (not .Values.serviceAccounts.executor) -}}
{{- fail "serviceAccounts.executor: give the name of an account, or let serviceAccounts.create be true" -}}
{{- end -}}
{{- default (printf "%s-executor" $full) .Values.serviceAccounts.executor -}}
{{- end -}}

{{/* The profiles to install, as JSON: those asked for, or all that are rendered. */}}
{{- define "palimpsest.profiles" -}}
{{- $known := list -}}
{{- range $path, $_ := .Files.Glob "files/workflows/*.yaml" -}}
{{- $known = append $known (trimSuffix ".yaml" (base $path)) -}}
{{- end -}}
{{- range .Values.profiles -}}
{{- if not (has . $known) -}}
{{- fail (printf "profiles: there is no profile %s in files/workflows: known are %s" . (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- default $known .Values.profiles | toJson -}}
{{- end -}}

{{/* A file of the chart as an object. */}}
{{- define "palimpsest.file" -}}
{{- $found := .root.Files.Get .path | fromYaml -}}
{{- if not $found -}}{{ fail (printf "%s: no such file: run `palimpsest render`" .path) }}{{- end -}}
{{- if hasKey $found "Error" -}}{{ fail (printf "%s: %s" .path $found.Error) }}{{- end -}}
{{- $found | toJson -}}
{{- end -}}
