#include <ladder/io/internal/file_kind.h>
#include <tests/support/catch.h>

#include <string>
#include <utility>
#include <vector>

using ladder::io::file_kind;

namespace {

std::string noun_of(const std::string& bytes) {
  const auto kind = file_kind(bytes);
  return kind ? kind->noun : "";
}

}  // namespace

TEST_CASE("file_kind names what a file is", "[io]") {
  using std::string_literals::operator""s;
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"\x1F\x8B\x08"s, "gzip data"},
      {"PK\3\4\x14"s, "a zip archive"},
      {"PK\5\6\0\0"s, "an empty zip archive"},
      {"BZh91AY"s, "bzip2 data"},
      {"\xFD"
       "7zXZ\0\0"s,
       "xz data"},
      {"\x28\xB5\x2F\xFD\x04"s, "zstd data"},
      {"7z\xBC\xAF\x27\x1C"s, "a 7z archive"},
      {std::string(257, 'n') + "ustar  ", "a tar archive"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {"\x93NUMPY\x01"s, "a NumPy file"},
      {"\x89HDF\r\n\x1A\n"s, "an HDF5 file"},
      {"PAR1\x15"s, "a Parquet file"},
      {"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file"},
      {"\x89PNG\r\n\x1A\n"s, "a PNG picture"},
      {"\xFF\xD8\xFF\xE0"s, "a JPEG picture"},
      {"\x80\2\x8A\nl\xFC\x9C\x46\xF9 j\xA8P\x19.\x80"s, "a file of torch.save before PyTorch 1.6"},
      {"\x40\0\0\0\0\0\0\0{\"w\":"s, "a safetensors file"},
      {"<!DOCTYPE HTML PUBLIC", "a web page"},
      {"  \r\n<html lang=en>", "a web page"},
      {"<?xml version=\"1.0\"?><Error>", "a web page"},
      {"5.1,3.5,1.4,0.2,setosa\r\n4.9,3.0", "text that begins with \"5.1,3.5,1.4,0.2,setosa\""}};
  for (const auto& [bytes, noun] : kinds) {
    INFO(noun);
    CHECK(noun_of(bytes) == noun);
    CHECK_FALSE(file_kind(bytes)->hint.empty());
  }
}

TEST_CASE("file_kind leaves what it does not know", "[io]") {
  using std::string_literals::operator""s;
  for (const std::string& bytes :
       {""s, "\0\0\x08\x03"s, "\x80\x02}q\x01."s, "\n \n"s, "\x07\xFF"s}) {
    CHECK(noun_of(bytes).empty());
  }
  const std::string line(200, 'x');
  CHECK(noun_of(line) == "text that begins with \"" + line.substr(0, 40) + "\"");
}
