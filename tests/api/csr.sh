#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Certificate signing requests: from the request by way of approval to a user who logs in with the certificate.
. "$(dirname "$0")/harness.sh"
COMPONENTS=controllers
start_cluster --cluster-signing-duration 48h

# request_file NAME SUBJECT [EXTENSIONS]: a key and a request for it
request_file() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key" 2>/dev/null
  openssl req -new -key "$work/$1.key" -subj "$2" ${3:+-addext "$3"} -out "$work/$1.csr" 2>/dev/null
}
# ask NAME SIGNER USAGES [EXPIRATION] [KUBECTL ARGUMENTS]: creates the request NAME from $work/NAME.csr
ask() {
  local expiration=
  [ -z "${4:-}" ] || expiration=",\"expirationSeconds\":$4"
  k create "${@:5}" -f - 2>&1 <<END
{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"$1"},
 "spec":{"request":"$(base64 -w0 "$work/$1.csr")","signerName":"$2","usages":[$3]$expiration}}
END
}
state() {
  k get csr "$1" --no-headers | awk '{print $NF}'
}
issued() {
  k wait --for='jsonpath={.status.certificate}' "csr/$1" --timeout=20s >/dev/null
  k get csr "$1" -o 'jsonpath={.status.certificate}' | base64 -d >"$work/$1.crt"
}
client='"digital signature","key encipherment","client auth"'

request_file jane "/O=dev/O=ops/CN=jane"
is "asked" "$(ask jane kubernetes.io/kube-apiserver-client "$client" 86400)" "certificatesigningrequest.certificates.k8s.io/jane created"
is "who asks" "$(k get csr jane -o 'jsonpath={.spec.username} {.spec.groups}')" 'admin ["system:masters","system:authenticated"]'
is "pending" "$(state jane)" "Pending"
is "approved" "$(k certificate approve jane)" "certificatesigningrequest.certificates.k8s.io/jane approved"
issued jane
is "issued" "$(state jane)" "Approved,Issued"
is "its subject" "$(openssl x509 -in "$work/jane.crt" -noout -subject -nameopt RFC2253)" "subject=CN=jane,O=ops,O=dev"
is "by the cluster's CA" "$(openssl verify -CAfile "$work/pki/ca.crt" "$work/jane.crt")" "$work/jane.crt: OK"
is "its usages" "$(openssl x509 -in "$work/jane.crt" -noout -ext keyUsage,extendedKeyUsage | tr -s ' \n' ' ')" \
  "X509v3 Key Usage: critical Digital Signature, Key Encipherment X509v3 Extended Key Usage: TLS Web Client Authentication "
is "its end" "$(openssl x509 -in "$work/jane.crt" -noout -checkend 86000; openssl x509 -in "$work/jane.crt" -noout -checkend 87000)" \
  "Certificate will not expire
Certificate will expire"
is "logs in" "$(request POST /apis/authentication.k8s.io/v1/selfsubjectreviews --cert "$work/jane.crt" --key "$work/jane.key" \
  -H 'Content-Type: application/json' -d '{}' | sed -n 's/.*"userInfo":{"username":"jane","groups":\["dev","ops","system:authenticated"\].*/yes/p')" "yes"

is "by this very certificate" "$(request POST /apis/authentication.k8s.io/v1/selfsubjectreviews --cert "$work/jane.crt" --key "$work/jane.key" \
  -H 'Content-Type: application/json' -d '{}' | sed -n 's/.*"authentication.kubernetes.io\/credential-id":\["\([^"]*\).*/\1/p')" \
  "X509SHA256=$(openssl x509 -in "$work/jane.crt" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)"

request_file mallory "/CN=mallory"
ask mallory kubernetes.io/kube-apiserver-client "$client" >/dev/null
is "denied" "$(k certificate deny mallory; state mallory)" "certificatesigningrequest.certificates.k8s.io/mallory denied
Denied"
is "no decision is taken back" "$(k patch csr mallory --subresource=approval --type=json -p \
  '[{"op":"add","path":"/status/conditions/-","value":{"type":"Approved","status":"True"}}]' 2>&1)" \
  'The CertificateSigningRequest "mallory" is invalid: status.conditions[1].type: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive'
is "no condition goes" "$(k get csr jane -o json | python3 -c 'import json,sys; c=json.load(sys.stdin); c["status"]["conditions"]=[]; print(json.dumps(c))' |
  k replace --raw /apis/certificates.k8s.io/v1/certificatesigningrequests/jane/approval -f - 2>&1)" \
  'The CertificateSigningRequest "jane" is invalid: status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
like "approval is no matter of status" "$(k patch csr mallory --subresource=status --type=merge -p '{"status":{"conditions":[{"type":"Denied","status":"True"},{"type":"Approved","status":"True"}]}}' 2>&1)" \
  '*status.conditions: Forbidden: updates may not add a condition of type "Approved"*'
is "what is asked stays" "$(k patch csr mallory --type=merge -p '{"spec":{"signerName":"a.b/c"}}' >/dev/null; k get csr mallory -o 'jsonpath={.spec.signerName}')" \
  "kubernetes.io/kube-apiserver-client"

request_file wrong "/CN=wrong"
ask wrong kubernetes.io/kube-apiserver-client '"server auth"' >/dev/null
k certificate approve wrong >/dev/null
k wait --for='jsonpath={.status.conditions[1].type}=Failed' csr/wrong --timeout=20s >/dev/null
is "what the signer does not sign" "$(state wrong) $(k get csr wrong -o 'jsonpath={.status.conditions[?(@.type=="Failed")].reason}: {.status.conditions[?(@.type=="Failed")].message}')" \
  "Approved,Failed SignerValidationFailure: invalid usage for client certificate: server auth"
request_file masters "/O=system:masters/CN=x"
like "not into system:masters" "$(ask masters kubernetes.io/kube-apiserver-client "$client")" \
  '*certificatesigningrequests.certificates.k8s.io "masters" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed'
echo nonsense >"$work/nonsense.csr"
like "no request" "$(ask nonsense a.example/b "$client")" \
  '*The CertificateSigningRequest "nonsense" is invalid: spec.request: Invalid value: \[\]byte{0x6e, *}: PEM block type must be CERTIFICATE REQUEST'
sed '3s/^..../AAAA/' "$work/wrong.csr" >"$work/changed.csr"
like "a changed request" "$(ask changed a.example/b "$client")" '*spec.request: Invalid value:*the certificate request*'
cp "$work/wrong.csr" "$work/usage.csr"
like "no such usage" "$(ask usage a.example/b '"client auth","flying"')" '*spec.usages\[1\]: Unsupported value: "flying": supported values: "any", "cert sign"*'
cp "$work/wrong.csr" "$work/signer.csr"
like "no such signer" "$(ask signer nobody "$client")" \
  "*spec.signerName: Invalid value: \"nobody\": must be a fully qualified domain and path of the form 'example.com/signer-name'"
cp "$work/wrong.csr" "$work/short.csr"
like "too short" "$(ask short a.example/b "$client" 60)" '*spec.expirationSeconds: Invalid value: 60:*'

# --- who may approve
k create clusterrole approver --verb=update,get --resource=certificatesigningrequests,certificatesigningrequests/approval >/dev/null
k create clusterrolebinding approver --clusterrole=approver --user=bob >/dev/null
request_file other "/CN=other"
ask other kubernetes.io/kube-apiserver-client "$client" 600 >/dev/null
is "not for this signer" "$(as_bob certificate approve other 2>&1)" \
  'Error from server (Forbidden): certificatesigningrequests.certificates.k8s.io "other" is forbidden: user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"'
k create clusterrole signers --verb=approve --resource=signers.certificates.k8s.io --resource-name='kubernetes.io/*' >/dev/null 2>&1 ||
  k apply -f - >/dev/null <<END
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"signers"},
 "rules":[{"apiGroups":["certificates.k8s.io"],"resources":["signers"],"resourceNames":["kubernetes.io/*"],"verbs":["approve"]}]}
END
k create clusterrolebinding signers --clusterrole=signers --user=bob >/dev/null
is "for all of a domain" "$(as_bob certificate approve other)" "certificatesigningrequest.certificates.k8s.io/other approved"
issued other
is "ten minutes" "$(openssl x509 -in "$work/other.crt" -noout -checkend 500; openssl x509 -in "$work/other.crt" -noout -checkend 700)" \
  "Certificate will not expire
Certificate will expire"

# --- nodes
k create clusterrolebinding nodes-renew --clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient --group=system:nodes >/dev/null
k create clusterrolebinding nodes-join --clusterrole=system:certificates.k8s.io:certificatesigningrequests:nodeclient --group=system:bootstrappers >/dev/null
k create clusterrolebinding bootstrap --clusterrole=system:node-bootstrapper --group=system:bootstrappers --group=system:nodes >/dev/null
request_file join "/O=system:nodes/CN=system:node:n1"
ask join kubernetes.io/kube-apiserver-client-kubelet '"digital signature","client auth"' 3600 --as=system:bootstrap:abcdef --as-group=system:bootstrappers >/dev/null
issued join
is "a node joins" "$(state join) $(k get csr join -o 'jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}')" \
  "Approved,Issued AutoApproved: Auto approving kubelet client certificate after SubjectAccessReview."
request_file renew "/O=system:nodes/CN=system:node:n1"
ask renew kubernetes.io/kube-apiserver-client-kubelet '"digital signature","client auth"' 3600 --as=system:node:n1 --as-group=system:nodes >/dev/null
issued renew
is "a node renews its own" "$(k get csr renew -o 'jsonpath={.status.conditions[0].message}')" \
  "Auto approving self kubelet client certificate after SubjectAccessReview."
request_file steal "/O=system:nodes/CN=system:node:n2"
ask steal kubernetes.io/kube-apiserver-client-kubelet '"digital signature","client auth"' 3600 --as=system:node:n1 --as-group=system:nodes >/dev/null
request_file serving "/O=system:nodes/CN=system:node:n1" "subjectAltName=DNS:n1,IP:10.0.0.1"
ask serving kubernetes.io/kubelet-serving '"digital signature","server auth"' 7200 >/dev/null
k certificate approve serving >/dev/null
issued serving
is "a serving certificate keeps its names" "$(openssl x509 -in "$work/serving.crt" -noout -ext subjectAltName,extendedKeyUsage | tr -s ' \n' ' ')" \
  "X509v3 Extended Key Usage: TLS Web Server Authentication X509v3 Subject Alternative Name: DNS:n1, IP Address:10.0.0.1 "
is "nobody else's is approved by itself" "$(state steal)" "Pending"
cp "$work/jane.csr" "$work/elsewhere.csr"
ask elsewhere a.example/b "$client" >/dev/null
k certificate approve elsewhere >/dev/null
is "other signers sign elsewhere" "$(state elsewhere)" "Approved"
like "the table" "$(k get csr jane)" "NAME*AGE*SIGNERNAME*REQUESTOR*REQUESTEDDURATION*CONDITION*jane*kubernetes.io/kube-apiserver-client*admin*24h*Approved,Issued"
done_testing
