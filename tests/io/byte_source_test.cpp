#include <ladder/io/internal/byte_source.h>
#include <ladder/io/internal/read_fault.h>
#include <tests/data/idx_files.h>
#include <tests/support/catch.h>
#include <tests/support/temporary_folder.h>
#include <unistd.h>

#include <istream>
#include <memory>
#include <sstream>
#include <streambuf>
#include <string>
#include <utility>

using ladder::io::ByteSource;
using ladder::io::GzipFault;
using ladder::io::open_bytes;
using ladder::io::ReadFault;
using ladder::io::stream_bytes;
using ladder::io::unpack_bytes;
using ladder::testing::gzip_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

std::string all_bytes(ByteSource& source, size_t step) {
  std::string bytes, piece(step, '\0');
  while (const size_t got = source.read(piece.data(), step)) bytes.append(piece, 0, got);
  return bytes;
}

std::string first_bytes(ByteSource& source) {
  std::string piece(100, '\0');
  piece.resize(source.read(piece.data(), piece.size()));
  return piece;
}

// A stream that has one byte at a time and never says how many more, as std::cin.
class UnbufferedText : public std::streambuf {
 public:
  explicit UnbufferedText(std::string text) : text_(std::move(text)) {}

 protected:
  int_type underflow() override {
    return next_ < text_.size() ? traits_type::to_int_type(text_[next_]) : traits_type::eof();
  }
  int_type uflow() override {
    return next_ < text_.size() ? traits_type::to_int_type(text_[next_++]) : traits_type::eof();
  }

 private:
  std::string text_;
  size_t next_ = 0;
};

}  // namespace

TEST_CASE("ByteSource gives the bytes of files and streams, plain and gzip", "[io]") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += std::to_string(i * 7919 % 65'537) + "\n";
  const auto plain = write_file(folder / "plain", text);
  const auto packed = write_file(
      folder / "packed", gzip_bytes(text.substr(0, 100)) + gzip_bytes(text.substr(100)) + '\0');
  for (const size_t step : {size_t{1}, size_t{1000}, size_t{1} << 20}) {
    CHECK(all_bytes(*open_bytes(plain), step) == text);
    CHECK(all_bytes(*unpack_bytes(open_bytes(plain)), step) == text);
    CHECK(all_bytes(*unpack_bytes(open_bytes(packed)), step) == text);
    std::istringstream in(text);
    CHECK(all_bytes(*stream_bytes(in), step) == text);
    UnbufferedText unbuffered(text);
    std::istream lines(&unbuffered);
    CHECK(all_bytes(*stream_bytes(lines), step) == text);
  }
  for (const char* few : {"", "\x1F", "a"}) {
    CHECK(all_bytes(*unpack_bytes(open_bytes(write_file(folder / "few", few))), 10) == few);
  }
}

TEST_CASE("ByteSource gives lines of a stream without a buffer as they come", "[io]") {
  UnbufferedText unbuffered("one\ntwo\nthree");
  std::istream in(&unbuffered);
  const auto source = stream_bytes(in);
  CHECK_FALSE(source->ready());
  CHECK(first_bytes(*source) == "one\n");
  CHECK(first_bytes(*source) == "two\n");
  CHECK(first_bytes(*source) == "three");
  CHECK(first_bytes(*source).empty());
}

TEST_CASE("ByteSource says whether a pipe has bytes", "[io]") {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  const auto source = open_bytes("/dev/fd/" + std::to_string(ends[0]));
  CHECK_FALSE(source->ready());
  REQUIRE(::write(ends[1], "abc", 3) == 3);
  CHECK(source->ready());
  CHECK(first_bytes(*source) == "abc");
  CHECK_FALSE(source->ready());
  ::close(ends[1]);
  CHECK(first_bytes(*source).empty());
  ::close(ends[0]);
}

TEST_CASE("ByteSource says why it cannot read", "[io]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(open_bytes(folder / "none"), "it cannot be opened: No such file or directory");
  const auto source = open_bytes(folder.path());
  CHECK_THROWS_WITH(first_bytes(*source), "it cannot be read: Is a directory");
  const std::string whole = gzip_bytes("some text");
  const auto cut = unpack_bytes(open_bytes(write_file(folder / "cut", whole.substr(0, 12))));
  CHECK_THROWS_AS(all_bytes(*cut, 100), ReadFault);
  const auto early = unpack_bytes(open_bytes(write_file(folder / "early", whole.substr(0, 3))));
  try {
    all_bytes(*early, 100);
    FAIL("expected a fault");
  } catch (const GzipFault& fault) {
    CHECK(fault.kind == GzipFault::Kind::kTruncated);
    CHECK(fault.byte == 3);
    CHECK(fault.what() == std::string("its gzip data ends after 3 bytes (fetch the file again)"));
  }
}
