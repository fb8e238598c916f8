include(CMakePackageConfigHelpers)

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ladder")

install(TARGETS ladder ladder_models EXPORT ladderTargets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET model_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(EXPORT ladderTargets NAMESPACE ladder:: DESTINATION "${config_dir}")

get_property(LADDER_ARROW_LIBRARIES GLOBAL PROPERTY LADDER_ARROW_LIBRARIES)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/ladderConfig.cmake.in" "${PROJECT_BINARY_DIR}/ladderConfig.cmake"
  INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ladderConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/ladderConfig.cmake"
  "${PROJECT_BINARY_DIR}/ladderConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindTurboJPEG.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/LadderTorch.cmake"
  DESTINATION "${config_dir}")
