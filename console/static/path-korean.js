export const KOREAN_OF_PATHS = {
  "Playing the original, over the LAN": "원본 재생 중, LAN 직접 연결", "Playing small copies, over the LAN": "작은 사본 재생 중, LAN 직접 연결",
  "This page comes from the agent {agent}, which reads the recording itself.": "이 페이지는 녹화를 직접 읽는 에이전트 {agent}에서 왔습니다.",
  "This page comes from the API, which passes on what an agent reads.": "이 페이지는 API에서 왔으며, API는 에이전트가 읽은 것을 전해 줍니다.",
  "Browsers do not play the original's codec.": "브라우저는 원본의 코덱을 재생하지 못합니다.",
  "{url} answers, but does not let this page call it.": "{url}이(가) 응답하지만 이 페이지의 호출을 허용하지 않습니다.",
  "If it is the API, add {origin} to its api.cors_origins and restart it.": "API가 맞다면 {origin}을(를) api.cors_origins에 추가하고 다시 시작하세요.",
  "The service at {url} does not answer.": "{url}의 서비스가 응답하지 않습니다.",
  "Is it running, and is this its address? It is preview.api_url of the agent {agent}.": "실행 중이며 주소가 맞습니까? 에이전트 {agent}의 preview.api_url입니다.",
  "The agent {agent} has no such recording.": "에이전트 {agent}에는 이 녹화가 없습니다.",
};
