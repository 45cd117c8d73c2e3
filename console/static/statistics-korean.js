export const STATISTICS = {
  "Statistics": "통계", "Period": "기간", "24 hours": "24시간", "7 days": "7일", "30 days": "30일", "As of {time}": "{time} 기준",
  "Not current": "최신 아님", "The numbers could not be read again: {reason}": "숫자를 다시 읽지 못했습니다: {reason}",
  "This key may not see statistics": "이 키로는 통계를 볼 수 없습니다", "Statistics cannot be read now": "지금은 통계를 읽을 수 없습니다",
  "No requests in the last {period}": "최근 {period} 동안 요청이 없습니다",
  "Clips that are requested here or by other programs with this key are counted.": "여기서, 또는 이 키를 쓰는 다른 프로그램에서 요청한 클립을 셉니다.",
  "Show 30 days": "30일 보기", "Clips per hour": "시간당 클립", "Clips per day": "하루당 클립", "Success": "성공률", "Processing time": "처리 시간",
  "Output": "출력", "Numbers": "숫자로 보기", "Time": "시각", "(so far)": "(현재까지)", "Nothing is completed yet.": "아직 완료된 것이 없습니다.",
  "completed, of those that completed or failed": "완료 또는 실패한 것 중 완료", "Few clips: p95 is nearly the slowest of {count}.": "클립이 적습니다: p95는 {count}개 중 거의 가장 느린 값입니다.",
  "Requests": "요청", "Completed": "완료", "{count} waiting": "{count}개 대기", "Average time": "평균 시간", "p95 of the time": "시간의 p95",
  "p50": "p50", "p95": "p95",
};
