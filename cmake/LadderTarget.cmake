# ladder_target(<target>)
#
# What every compiled target of this project shares: the language, the warnings and one precompiled
# torch/torch.h. All of it is private to the target.
function(ladder_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:fmt::fmt-header-only>")
  # GCC 12 reports the last two for correct uses of std::string.
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow>"
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${LADDER_WARNINGS_AS_ERRORS}>>:-Werror;-Wno-error=restrict;-Wno-error=stringop-overflow>")

  # One precompiled header serves libraries and programs alike only if both are compiled with -fPIC.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-fPIC>")
  else()
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON DEFINE_SYMBOL "")
  endif()
  if(target STREQUAL "ladder")
    target_precompile_headers(ladder PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<torch/torch.h$<ANGLE-R>>")
  else()
    target_precompile_headers(${target} REUSE_FROM ladder)
  endif()
endfunction()
